"""RT-2: action tokens in the vocabulary of a language model, and its sources."""

import json
from pathlib import Path

import language_models
import pytest
import torch
from families import Here
from safetensors.torch import load_file, save_file

import robomtl
from robomtl import checkpoint
from robomtl.conditioning import Conditioning
from robomtl.conditioning.characters import LENGTH, characters, sentences
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.heads.bins import bin_of
from robomtl.policies.rt2 import RT2, RT2Config
from robomtl.policies.rt2_language_model import padded
from robomtl.policy import Batch, Spec
from robomtl.training.text_cotraining import TextCotraining, TextDraws, read_texts

pytestmark = pytest.mark.usefixtures("forked_workers")
SPEC = Spec(state=6, action=2, embedding=LENGTH, text=LENGTH)
WORDS = ["reach the red flag", "push"]


def build(spec=SPEC, **config):
    torch.manual_seed(0)
    return RT2(RT2Config(width=32, blocks=2, heads=2, **config), spec).eval()


def batch(rows=4):
    generator = torch.Generator().manual_seed(1)
    return Batch(
        observation={"state": torch.randn(rows, 6, generator=generator)},
        action=torch.rand(rows, 1, 2, generator=generator) * 2 - 1,
        mask=torch.ones(rows, 1),
        task_embedding=characters(WORDS)[torch.arange(rows) % 2],
        task=torch.zeros(rows, dtype=torch.long),
    )


def test_characters_come_back_as_sentences():
    assert sentences(characters(["déjà vu ", None, "push"])) == ["déjà vu", "", "push"]
    with pytest.raises(InputError, match="has 161 bytes; a policy that reads text"):
        characters(["a" * 161])


def test_padding_is_on_the_left():
    tokens, there = padded([[1, 2, 3], [4]])
    assert tokens.tolist() == [[1, 2, 3], [0, 0, 4]]
    assert there.tolist() == [[True] * 3, [False, False, True]]


@torch.inference_mode()
def test_padding_of_a_shorter_instruction_has_no_influence():
    policy, given = build(), batch()
    alone = {"state": given.observation["state"][1:2]}
    together = policy._prefix(given.observation, given.task_embedding)
    by_itself = policy._prefix(alone, given.task_embedding[1:2])
    hidden = policy._continued(together, torch.zeros(4, 0, dtype=torch.long))[1, -1]
    own = policy._continued(by_itself, torch.zeros(1, 0, dtype=torch.long))[0, -1]
    assert torch.allclose(hidden, own, atol=1e-5)


@torch.inference_mode()
def test_a_token_is_predicted_from_those_before_it_alone():
    policy, given = build(), batch()
    tokens = bin_of(given.action, 256)[:, 0]
    prefix = policy._prefix(given.observation, given.task_embedding)
    first = policy._continued(prefix, tokens[:, :0])[:, -1]
    both = policy._continued(prefix, tokens[:, :1])
    assert torch.allclose(both[:, -2], first, atol=1e-5)


@torch.inference_mode()
def test_decoding_takes_action_tokens_even_where_words_are_likelier():
    policy, given = build(), batch()
    policy.trunk.embedding.weight.mul_(1000.0)
    chunk, _ = policy.act(given.observation, given.task_embedding, None)
    assert chunk.shape == (4, 1, 2)
    assert torch.equal(
        (chunk + 1) * 127.5, ((chunk + 1) * 127.5).round()
    ) or torch.allclose((chunk + 1) * 127.5, ((chunk + 1) * 127.5).round(), atol=1e-3)


@torch.inference_mode()
def test_the_loss_of_a_text_is_that_of_its_answer():
    policy = build()
    tokens = torch.tensor([[*b"ab"]])
    there = torch.ones(1, 2, dtype=torch.bool)
    hidden = policy.trunk.hidden(policy.trunk.embedded(tokens), there)
    expected = -policy._logits(hidden)[0, 0].log_softmax(-1)[ord("b")]
    assert torch.allclose(policy.text_loss(["a"], ["b"])[0], expected, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_language_model_in_a_folder_gives_the_library_s_logits(
    tied, tmp_path, capsys
):
    folder = language_models.save(tmp_path / "model", tied=tied)
    capsys.readouterr()
    policy = build(language_model=folder)
    assert "Loading" not in capsys.readouterr().err
    import transformers

    assert transformers.utils.logging.is_progress_bar_enabled()

    library = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokens = torch.tensor([policy.trunk.tokens("push")])
    assert tokens.tolist() == [[ord(letter) for letter in "push"]]
    there = torch.ones_like(tokens, dtype=torch.bool)
    with torch.inference_mode():
        hidden = policy.trunk.hidden(policy.trunk.embedded(tokens), there)
        found, expected = policy.trunk.logits(hidden), library(tokens).logits
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_checkpoint_acts_without_the_folder_of_its_language_model(tmp_path):
    folder = language_models.save(tmp_path / "model")
    policy, given = build(language_model=folder), batch()
    card = checkpoint.Card(
        policy="rt2",
        config=vars(policy.config),
        spec=SPEC,
        conditioning=Conditioning(
            kinds=("language",), tasks=("a",), wording="characters"
        ),
        suite="",
        suite_options={},
        step=1,
    )
    with torch.inference_mode():
        before, _ = policy.act(given.observation, given.task_embedding, None)
    checkpoint.save(tmp_path / "run", policy, card)
    for path in (tmp_path / "model").iterdir():
        path.unlink()
    (tmp_path / "model").rmdir()
    loaded = checkpoint.load(tmp_path / "run").policy
    with torch.inference_mode():
        after, _ = loaded.act(given.observation, given.task_embedding, None)
    assert torch.equal(before, after)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json; give a folder"),
        (
            lambda f: (f / "pytorch_model.bin").write_bytes(b""),
            "contains pytorch_model.bin, a pickle, which may run any code",
        ),
        (lambda f: (f / "model.safetensors").unlink(), "has no weights; expected"),
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokeniser; expected"),
        (
            lambda f: (f / "config.json").write_text("{"),
            "config.json is damaged or cut short",
        ),
        (lambda f: (f / "config.json").write_text("{}"), "has no model_type"),
        (
            lambda f: (f / "config.json").write_text(
                json.dumps({"model_type": "llama", "auto_map": {}})
            ),
            "requests custom code",
        ),
        (
            lambda f: (f / "config.json").write_text(
                json.dumps({"model_type": "llama", "num_hidden_layers": 10**9})
            ),
            "num_hidden_layers 1000000000; at most 1024 layers",
        ),
        (lambda f: (f / "config.json").write_bytes(b"\xff"), "config.json is damaged"),
    ],
)
def test_a_folder_that_is_not_a_language_model_is_refused(change, message, tmp_path):
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text('{"model_type": "llama"}')
    change(tmp_path)
    with pytest.raises(InputError, match=message):
        RT2Config(language_model=str(tmp_path))


def changed_json(name, **fields):
    def change(folder):
        values = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(values | fields))

    return change


def changed_weights(change):
    def edit(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return edit


_NORM = "model.norm.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed_json("config.json", model_type="odd"), "is invalid: .*Unrecognized"),
        (changed_json("config.json", model_type="clip"), "is invalid: .*Unrecognized"),
        (changed_json("config.json", hidden_act="odd"), "config.json .* is invalid"),
        (changed_json("config.json", hidden_size=[]), "config.json .* is invalid"),
        (
            changed_json("config.json", text_config={"quantization_config": {}}),
            r"requests custom code \(quantization_config\)",
        ),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokeniser .* is damaged"),
        (lambda f: (f / "tokenizer.json").write_bytes(b""), "tokeniser .* is damaged"),
        (
            lambda f: (f / "tokenizer.json").write_bytes(b"\xff"),
            "tokeniser .* is damaged: UnicodeDecodeError",
        ),
        (
            changed_json("config.json", vocab_size=64),
            "has weights of another model|lack",
        ),
        (
            lambda f: (f / "model.safetensors").write_bytes(b"0"),
            "model.safetensors is damaged",
        ),
        (changed_weights(lambda t: t.pop(_NORM)), f"The weights in .* lack {_NORM}"),
        (
            changed_weights(lambda t: t[_NORM].fill_(torch.nan)),
            f"tensor {_NORM} is not finite",
        ),
        (
            changed_weights(lambda t: t.update({_NORM: torch.ones(3)})),
            "has weights of another model",
        ),
    ],
)
def test_a_damaged_language_model_is_refused(change, message, tmp_path):
    folder = Path(language_models.save(tmp_path / "model"))
    change(folder)
    with pytest.raises(InputError, match=message):
        build(language_model=str(folder))


def test_a_tokeniser_of_another_language_model_is_refused(tmp_path):
    folder = Path(language_models.save(tmp_path / "model"))
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["p"] = 500
    (folder / "tokenizer.json").write_text(json.dumps(content))
    policy = build(language_model=str(folder))
    with pytest.raises(InputError, match="gives token 500, but the model has 128"):
        policy.trunk.tokens("push")


def test_no_kernel_is_looked_for_that_a_language_model_names(tmp_path):
    folder = Path(language_models.save(tmp_path / "model"))
    changed_json("config.json", attn_implementation="evil/kernel")(folder)
    assert build(language_model=str(folder)).trunk.base.config._attn_implementation in (
        *("eager", "sdpa"),
    )


def test_texts_are_read_from_lines_and_from_questions(tmp_path):
    plain, asked = tmp_path / "a.txt", tmp_path / "b.jsonl"
    plain.write_text("one\n\n two \n")
    asked.write_text('{"question": "Q", "answer": "A"}\n')
    assert read_texts(str(plain)) == (("", "one"), ("", "two"))
    assert read_texts(str(asked)) == (("Q", "A"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "give a file of texts"),
        ("\n", "contains no text"),
        ('{"question": "Q"}', "line 1 lacks an answer"),
        ("{", "line 1 is damaged or cut short"),
        ("[]", "line 1 is damaged: .*expected object, got array"),
        ('{"answer": ' + "[" * 9000, "line 1 is (nested deeper|damaged)"),
        ('{"answer": 7}', "line 1 is damaged: .*answer: expected str, got int"),
    ],
)
def test_texts_that_cannot_be_learned_are_refused(content, message, tmp_path):
    path = tmp_path / "texts.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_texts(str(path))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "texts.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="texts.txt is not UTF-8 text"):
        read_texts(str(tmp_path / "texts.txt"))


def test_a_fraction_of_all_or_nothing_is_refused():
    with pytest.raises(InputError, match="fraction is 1.0; give a number between"):
        TextCotraining(fraction=1.0)


def test_a_fraction_of_each_batch_is_text():
    class Drawn:
        def batch(self, step, size):
            return batch(size)

    draws = TextDraws(
        demonstrations=Drawn(), texts=(("", "a"), ("", "b")), fraction=0.25, seed=0
    )
    drawn = draws.batch(3, 16)
    assert (len(drawn.batch.task), len(drawn.texts)) == (12, 4)
    assert drawn.texts == draws.batch(3, 16).texts


def test_what_is_no_language_model_learns_no_texts():
    with pytest.raises(InputError, match="'mlp' cannot be trained on texts"):
        TextCotraining().check("mlp", checkpoint.POLICIES.get("mlp"))


def test_rt2_trains_on_demonstrations_and_texts_and_acts(tmp_path):
    suite, texts = robomtl.suite("points/MT4", horizon=12), tmp_path / "texts.txt"
    texts.write_text("a ball is round\n")
    data = collect(
        suite,
        tmp_path / "data",
        config=CollectionConfig(episodes=2),
        compute=Compute(workers=1),
    )
    config = robomtl.TrainConfig(steps=2, batch_size=8, threads=1, validation=0.0)
    trained = robomtl.train(
        data,
        out=tmp_path / "run",
        policy="rt2",
        policy_config={"width": 16, "blocks": 1},
        objective="text_cotraining",
        objective_config={"text": str(texts)},
        config=config,
    )
    assert trained.card.spec.text == LENGTH
    agent, out = robomtl.PolicyAgent(tmp_path / "run"), tmp_path / "out"
    results = robomtl.evaluate(
        agent,
        suite,
        out=out,
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(executor=Here()),
    )
    assert [record.error for record in results.records] == [None] * 4
