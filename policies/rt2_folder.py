"""Read and check language models in folders, as Hugging Face transformers writes them.

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
_LAYERS = 1024  # Most layers of a language model; the largest have about 130.
_CODE = {"auto_map", "quantization_config"}
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


@contextmanager
def explained(what: str, *passed: type[Exception]) -> Iterator[None]:
    """Context manager that converts a library's exceptions on a file to InputError.

    Args:
        what: Beginning of the message.
        passed: Further exceptions that are not converted.

    Raises:
        InputError: In place of any other exception.
    """
    try:
        yield
    except Exception as error:  # The libraries raise many types, even plain Exception.
        if isinstance(error, (InputError, MissingExtraError, *passed)):
            raise
        raise InputError(f"{what}: {described(error)}.") from error


def _transformers() -> Any:
    # Imported by name, as type checkers would otherwise analyse all of transformers.
    need = "A language model in a folder is read by the library transformers"
    return library("transformers", extra="language", need=need)


def _weight_files(folder: Path) -> list[Path]:
    """Weights files of a folder: one, or the shards."""
    whole = folder / "model.safetensors"
    return [whole] if whole.exists() else sorted(folder.glob("model-*.safetensors"))


def read_architecture(folder: str) -> tuple[str, int]:
    """Content of a folder's ``config.json``, and the length of its tokeniser [bytes].

    Raises:
        InputError: If the folder does not exist, contains a pickle, has no weights or no
            tokeniser, or its configuration is invalid.
    """
    path = located(folder)
    if not (path / CONFIG).exists():
        raise InputError(
            f"{path} has no {CONFIG}; give a folder of a language model, as Hugging"
            " Face's save_pretrained writes it."
        )
    pickles = sorted(each.name for each in path.iterdir() if each.suffix in _PICKLES)
    if pickles:
        raise InputError(
            f"{path} contains {pickles[0]}, a pickle, which may run any code; remove it,"
            " and give the weights as safetensors."
        )
    if not _weight_files(path):
        raise InputError(f"{path} has no weights; expected model.safetensors.")
    if not (path / TOKENIZER).exists():
        raise InputError(f"{path} has no tokeniser; expected {TOKENIZER}.")
    try:
        text = read_file(path / CONFIG, limit=LIMIT).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path / CONFIG} is damaged: {error}.") from error
    values = check_architecture(text, where=str(path / CONFIG))
    check_file(path / TOKENIZER, limit=LINES_LIMIT)
    return json.dumps(values, sort_keys=True), (path / TOKENIZER).stat().st_size


def check_architecture(text: str, *, where: str) -> dict[str, Any]:
    """Parsed and checked values of a ``config.json``.

    Args:
        text: Content of the file.
        where: Name of the file for messages.

    Raises:
        InputError: If the text is not JSON, names no model type, has too many layers, or
            requests custom code or quantization.
    """
    values = parse_json(text, dict[str, Any], where=where)
    if not isinstance(values.get("model_type"), str):
        raise InputError(f"{where} has no model_type.")
    for name, value in _fields(values):
        # Many layers take long to build even without weights.
        if "layer" in name and isinstance(value, int) and value > _LAYERS:
            raise InputError(
                f"{where} has {name} {value}; at most {_LAYERS} layers are supported."
            )
        if name in _CODE:
            raise InputError(
                f"{where} requests custom code ({name}), which is never run; give a model"
                " that the library transformers knows, in full precision."
            )
    return values


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of all fields of a JSON value, at every level."""
    for each in value if isinstance(value, list) else ():
        yield from _fields(each)
    for name, each in value.items() if isinstance(value, dict) else ():
        yield name, each
        yield from _fields(each)


def built(values: Mapping[str, Any]) -> Any:
    """An untrained model of the library transformers.

    Args:
        values: Values of ``config.json``.

    Raises:
        InputError: If the library does not know the model type, or refuses a field.
        RuntimeError: If torch refuses a size; see ``on_meta``.
    """
    library = _transformers()
    with explained("The config.json of the language model is invalid", RuntimeError):
        config = library.AutoConfig.for_model(**_without_kernels(values))
        return library.AutoModelForCausalLM.from_config(
            config, trust_remote_code=False, dtype=torch.float32
        )


def _without_kernels(value: Any) -> Any:
    """A config without the names of kernels, which the library might download and run."""
    if isinstance(value, list):
        return [_without_kernels(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {n: it for n, it in value.items() if not n.endswith("_implementation")}
    return {name: _without_kernels(each) for name, each in kept.items()}


@contextmanager
def _without_progress() -> Iterator[None]:
    """Context manager without the library's progress bars, one for each load."""
    settings = _transformers().utils.logging
    shown = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            settings.enable_progress_bar()


def read_weights(folder: Path, made: Any) -> Any:
    """A model with the weights of a folder.

    Args:
        folder: Folder of the weights.
        made: Untrained model of the same architecture.

    Raises:
        InputError: If the weights are damaged, not finite, or those of another model.
    """
    files = _weight_files(folder)
    for file in files:
        read_header(file)
    tensors = {name: it for file in files for name, it in read_tensors(file).items()}
    with explained(f"{folder} has weights of another model"), _without_progress():
        loaded, info = type(made).from_pretrained(
            None,  # Given the folder, it would read further files.
            config=made.config,
            state_dict=tensors,
            dtype=torch.float32,
            output_loading_info=True,
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise InputError(f"The weights in {folder} lack {missing[0]}.")
    check_finite(loaded.state_dict(), made.state_dict(), where=folder)
    return loaded
