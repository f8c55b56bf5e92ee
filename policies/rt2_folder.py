"""Language models in folders, as Hugging Face's library writes them, read and checked.

No code and no pickle of a folder is ever loaded, and the library opens none of its files.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from robomtl.errors import InputError, MissingExtraError
from robomtl.extras import library
from robomtl.files.durable import LINES_LIMIT
from robomtl.files.paths import located
from robomtl.files.untrusted import LIMIT, check_file, parse_json, read_file
from robomtl.files.weights import check_finite, read_header, read_tensors
from robomtl.plug_in import described

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
_LAYERS = 1024  # Most of a language model; the largest have about 130.
_CODE = {"auto_map", "quantization_config"}
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


@contextmanager
def explained(what: str, *passed: type[Exception]) -> Iterator[None]:
    """Turns what a library raises over the content of a file into a sentence.

    Args:
        what: Begins it.
        passed: Exceptions that are let through.

    Raises:
        InputError: In place of any other exception.
    """
    try:
        yield
    except Exception as error:  # The libraries raise anything, plain Exceptions too.
        if isinstance(error, (InputError, MissingExtraError, *passed)):
            raise
        raise InputError(f"{what}: {described(error)}.") from error


def _transformers() -> Any:
    # Checkers of types would read all of it, which takes longer than the rest.
    need = "A language model in a folder is read by the library transformers"
    return library("transformers", extra="language", need=need)


def _weight_files(folder: Path) -> list[Path]:
    """The file of the weights, or those into which they are split."""
    whole = folder / "model.safetensors"
    return [whole] if whole.exists() else sorted(folder.glob("model-*.safetensors"))


def read_architecture(folder: str) -> tuple[str, int]:
    """Content of a folder's ``config.json``, and the length of its tokeniser [bytes].

    Raises:
        InputError: If the folder is not there, holds a pickle, code, no weights or no
            tokeniser, or its configuration cannot be read.
    """
    path = located(folder)
    if not (path / CONFIG).exists():
        raise InputError(
            f"{path} holds no {CONFIG}; give a folder of a language model, as Hugging"
            " Face's save_pretrained writes it."
        )
    pickles = sorted(each.name for each in path.iterdir() if each.suffix in _PICKLES)
    if pickles:
        raise InputError(
            f"{path} holds {pickles[0]}, a pickle, which may run any code; leave it out,"
            " and give the weights as safetensors."
        )
    if not _weight_files(path):
        raise InputError(f"{path} holds no weights; expected model.safetensors.")
    if not (path / TOKENIZER).exists():
        raise InputError(f"{path} holds no tokeniser; expected {TOKENIZER}.")
    try:
        text = read_file(path / CONFIG, limit=LIMIT).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path / CONFIG} is damaged: {error}.") from error
    values = check_architecture(text, where=str(path / CONFIG))
    check_file(path / TOKENIZER, limit=LINES_LIMIT)
    return json.dumps(values, sort_keys=True), (path / TOKENIZER).stat().st_size


def check_architecture(text: str, *, where: str) -> dict[str, Any]:
    """The values of a ``config.json``, checked.

    Args:
        text: Its content.
        where: Names it in messages.

    Raises:
        InputError: If it is no JSON, names no type of model, has too many layers, or asks
            for code of its own.
    """
    values = parse_json(text, dict[str, Any], where=where)
    if not isinstance(values.get("model_type"), str):
        raise InputError(f"{where} names no model_type.")
    for name, value in _fields(values):
        # Building it without values takes time, too.
        if "layer" in name and isinstance(value, int) and value > _LAYERS:
            raise InputError(
                f"{where} has {name} {value}; at most {_LAYERS} layers are built."
            )
        if name in _CODE:
            raise InputError(
                f"{where} asks for code of its own ({name}), which is never run; give a"
                " model that the library transformers knows, in full precision."
            )
    return values


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a plain value at every level, with their names."""
    for each in value if isinstance(value, list) else ():
        yield from _fields(each)
    for name, each in value.items() if isinstance(value, dict) else ():
        yield name, each
        yield from _fields(each)


def built(values: Mapping[str, Any]) -> Any:
    """A model of the library, untrained.

    Raises:
        InputError: If the library knows none of this type, or refuses a field.
        RuntimeError: If torch refuses a size; see ``on_meta``.
    """
    library = _transformers()
    with explained("The config.json of the language model is of no use", RuntimeError):
        config = library.AutoConfig.for_model(**_without_kernels(values))
        return library.AutoModelForCausalLM.from_config(
            config, trust_remote_code=False, dtype=torch.float32
        )


def _without_kernels(value: Any) -> Any:
    """The same without the names of kernels, which the library might download and run."""
    if isinstance(value, list):
        return [_without_kernels(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {n: it for n, it in value.items() if not n.endswith("_implementation")}
    return {name: _without_kernels(each) for name, each in kept.items()}


def read_weights(folder: Path, made: Any) -> Any:
    """The model with the weights of a folder.

    Args:
        folder: Holds them.
        made: The same without them.

    Raises:
        InputError: If they are damaged, not finite, or those of another model.
    """
    files = _weight_files(folder)
    for file in files:
        read_header(file)
    tensors = {name: it for file in files for name, it in read_tensors(file).items()}
    with explained(f"{folder} holds weights of another model"):
        loaded, found = type(made).from_pretrained(
            None,  # It would read further files of the folder.
            config=made.config,
            state_dict=tensors,
            dtype=torch.float32,
            output_loading_info=True,
        )
    missing = sorted(found["missing_keys"])
    if missing:
        raise InputError(f"{folder} holds weights without {missing[0]}.")
    check_finite(loaded.state_dict(), made.state_dict(), where=folder)
    return loaded
