"""Checkpoints from the hub or a folder: what is refused, in words that say what to do, and what identifies the weights.

Weights come from safetensors only and no code of a checkpoint is ever run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from workbench.errors import BackboneError
from workbench.model.backbone import refusals
from workbench.model.backbone.hub import HubBackbone, Parts
from workbench.model.backbone.internvl import InternVL
from workbench.model.backbone.protocol import Device, DType
from workbench.model.backbone.qwen3 import Qwen3VL
from workbench.model.backbone.qwen25 import Qwen25VL

FAMILIES: dict[str, type[InternVL] | type[Qwen25VL]] = {
    "internvl": InternVL,
    "qwen2_5_vl": Qwen25VL,
    "qwen3_vl": Qwen3VL,
}
MAX_IMAGE_TOKENS = 1280  # of one picture, unless told otherwise; checkpoints allow 3,328 to 16,384, made for documents
HASHED_WHOLE = 256 * 2**20  # weight files above this many bytes are identified by samples
# What the libraries raise over files that are missing, cut short or not what their name says.
UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
DOWNLOAD = "download it where there is a network with `hf download NAME --local-dir FOLDER`, and give the folder"
NOT_SAFETENSORS = (
    "it has no *.safetensors; other weight files aren't read because they may run code: "
    "load it where you trust it and write it anew with save_pretrained"
)


def load(
    name: str | Path,
    device: Device = "cpu",
    dtype: DType = "float32",
    max_image_tokens: int | None = MAX_IMAGE_TOKENS,
) -> HubBackbone:
    """The model of that hub name or local folder, frozen, ready to reason.

    Args:
        name: "Qwen/Qwen2.5-VL-7B-Instruct", or a folder with config.json, tokenizer and *.safetensors.
        device: "cpu", "cuda", "cuda:1".
        dtype: of the weights; think tokens, noise, updates and entropies are float32 in any case.
        max_image_tokens: larger pictures are scaled down, or cut into fewer tiles, to this many visual tokens; None
            keeps the checkpoint's own limit, which is never raised.

    Raises:
        BackboneError: not a model folder, a family that isn't supported, weights or tokenizer that don't belong to it,
            or nothing that can be had under that name.
    """
    family = FAMILIES[model_type(name, FAMILIES)]
    parts = read_parts(name, family.CLASS, device, dtype)
    try:
        return family(parts, max_image_tokens)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # settings that this family doesn't have
        raise BackboneError(
            f"{name} has not what a {family.CLASS} needs ({type(error).__name__}: {first_line(error)}); "
            "fetch the checkpoint again, with its preprocessor_config.json and tokenizer"
        ) from error


def model_type(name: str | Path, model_types: Collection[str], noun: str = "supported families are") -> str:
    """The family a checkpoint says it is of, if it is one of those `model_types`.

    Raises:
        BackboneError: it is of another, or can't be had.
    """
    import transformers

    folder = Path(name)
    if folder.exists() and not (folder / "config.json").is_file():
        refusals.refuse_adapter(name, folder, "AutoModelForImageTextToText")
        raise BackboneError(
            f"{folder} is not a model folder: it has no config.json; give a folder made by save_pretrained"
        )
    try:
        config, _ = transformers.PreTrainedConfig.get_config_dict(str(name))
    except UNREADABLE as error:
        refusals.refuse_adapter(name, adapter_folder(name), "AutoModelForImageTextToText")
        raise BackboneError(f"can't load {name}: {remedy(error)}") from error
    found = str(config.get("model_type"))
    if found in model_types:
        refusals.refuse_quantised(name, files_of(name), config)
        return found
    hint = ""
    if "auto_map" in config:
        hint = "; it brings code of its own, which is never run: look for the same model named ...-hf"
    raise BackboneError(f"{name} is a {found} model; {noun} {', '.join(sorted(model_types))}{hint}")


def read_parts(
    name: str | Path, model_class: str, device: Device, dtype: DType | None = None, unused: Collection[str] = ()
) -> Parts:
    """A checkpoint's model, tokenizer and image processor, on the device.

    Args:
        name: hub name or local folder.
        model_class: of the transformers library.
        device: where to put the weights.
        dtype: of the weights; None keeps the checkpoint's.
        unused: weights that may be missing, because nothing reads them.

    Raises:
        BackboneError: something can't be had, or doesn't fit together.
    """
    import transformers

    folder = files_of(name)
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BackboneError("no CUDA device is available to this PyTorch; use --device cpu or install a CUDA build")
    if Path(name).is_dir() and not any(folder.glob("*.safetensors")):
        raise BackboneError(f"can't load {name}: {NOT_SAFETENSORS}")
    if folder.is_dir():
        _refuse(name, folder, model_class)
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"  # else the library has strangers' weights converted for us
    try:
        config = transformers.AutoConfig.from_pretrained(str(name), trust_remote_code=False)
        if "sliding_attention" in (getattr(config.get_text_config(), "layer_types", None) or ()):
            raise BackboneError(f"{name} uses sliding-window attention, which the engines don't support")
        model, report = getattr(transformers, model_class).from_pretrained(
            str(name),
            config=config,
            dtype=getattr(torch, dtype) if dtype else "auto",
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told apart below, with words that help
        )
        check_weights(name, report, unused)
        if not folder.is_dir():
            _refuse(name, files_of(name), model_class)  # what had to be fetched first
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(name), config=config, trust_remote_code=False)
        images: Any = transformers.AutoImageProcessor
        processor = images.from_pretrained(str(name), backend="pil", trust_remote_code=False)
    except BackboneError:
        raise
    except Exception as error:  # whatever the libraries raise over somebody's files
        raise BackboneError(f"can't load {name}: {remedy(error)}") from error
    options = _options(Path(name))
    return Parts(model.to(device), tokenizer, processor, str(name), revision(name, processor), options)


def _refuse(name: str | Path, folder: Path, model_class: str) -> None:
    """Raise BackboneError over files that would be left out or misread without a word."""
    refusals.refuse_adapter(name, folder if Path(name).is_dir() else adapter_folder(name), model_class)
    refusals.refuse_quantised(name, folder, {})
    refusals.refuse_own_tokenizer(name, folder)


def remedy(error: Exception) -> str:
    """What went wrong in one line, and what to do about it."""
    from huggingface_hub import errors

    behind: list[BaseException] = [error]
    while deeper := behind[-1].__cause__ or behind[-1].__context__:
        behind.append(deeper)

    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in behind)

    said = str(error)
    if any_is(errors.GatedRepoError) or "gated repo" in said:
        return "it is gated: accept its terms on its page of the hub, then `hf auth login` or set HF_TOKEN"
    if any_is(errors.RepositoryNotFoundError, errors.HFValidationError) or "not a valid model identifier" in said:
        return (
            "neither a folder nor a model of the hub has this name; check its spelling, "
            "or `hf auth login` if it is private"
        )
    if any_is(errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) or "couldn't connect" in said:
        return f"the hub can't be reached and the model isn't in the local cache; {DOWNLOAD}"
    if isinstance(error, OSError) and ("thus cannot be loaded with `safetensors`" in said or "pytorch_model" in said):
        return NOT_SAFETENSORS
    return first_line(error)


def check_weights(name: str | Path, report: dict[str, Any], unused: Collection[str] = ()) -> None:
    """Raise BackboneError if the library filled in weights of its own: such a model runs and answers nonsense."""
    missing = sorted(set(report["missing_keys"]) - set(unused))
    strange = missing + sorted(str(each[0]) for each in report["mismatched_keys"])
    if strange:
        raise BackboneError(
            f"the weights of {name} don't fit its configuration: {len(strange)} are missing or of another shape, "
            f"the first {strange[0]}; fetch the checkpoint again"
        )


def first_line(error: Exception) -> str:
    """What went wrong, without the library's advice that follows."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def files_of(name: str | Path) -> Path:
    """The folder of that name, or the hub's in the local cache; one that isn't there, where there is neither."""
    import huggingface_hub

    if Path(name).is_dir():
        return Path(name)
    try:
        cached = huggingface_hub.try_to_load_from_cache(str(name), "config.json")
    except huggingface_hub.errors.HFValidationError:
        cached = None
    return Path(cached).parent if isinstance(cached, str) else Path(name)  # .../snapshots/COMMIT/config.json


def adapter_folder(name: str | Path) -> Path:
    """The folder of a hub name with its adapter_config.json fetched, if it has one and the hub can be asked."""
    from transformers.utils.hub import cached_file

    quiet = ("gated_repo", "missing_entries", "connection_errors")
    try:
        found = cached_file(
            str(name), refusals.ADAPTER_FILES[0], **{f"_raise_exceptions_for_{each}": False for each in quiet}
        )
    except UNREADABLE:
        found = None
    return Path(found).parent if found else Path(name)


def revision(name: str | Path, processor: Any) -> str:
    """What identifies the numbers that come from this name: its files, and what makes pixels of pictures.

    The files are those of the folder, hashed, or the hub's commit. The image processor is a class of the library with
    defaults of its own; it is always the one on Pillow, as the one on torchvision resizes otherwise.

    Raises:
        BackboneError: there is no such image processor, or no telling which commit was loaded.
    """
    kind = type(processor).__name__
    if not kind.endswith("Pil"):
        raise BackboneError(
            f"the image processor of {name} ({kind}) can't be had on Pillow; its preprocessor_config.json doesn't fit "
            "a supported family"
        )
    folder = files_of(name)
    if not folder.is_dir():
        raise BackboneError(f"can't tell which version of {name} was loaded; {DOWNLOAD}")
    stated = {key: value for key, value in processor.to_dict().items() if "version" not in key}
    pixels = hashlib.sha256(json.dumps([kind, stated], default=str, sort_keys=True).encode()).hexdigest()[:8]
    return f"{weights_revision(folder) if Path(name).is_dir() else folder.name}+{pixels}"


def weights_revision(folder: Path) -> str:
    """A hash of everything in a model folder that changes answers: weights, configuration, tokenizer, processor.

    Files above HASHED_WHOLE bytes count by size and 64 samples of 1 MiB, so that a 15 GB checkpoint is identified in
    seconds; a change of a few weights between samples would go unseen.
    """
    total = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("merges.txt")]):
        total.update(path.name.encode())
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= HASHED_WHOLE:
                total.update(hashlib.file_digest(file, "sha256").digest())
                continue
            total.update(str(size).encode())
            for index in range(64):
                file.seek(index * (size - 2**20) // 63)
                total.update(file.read(2**20))
    return total.hexdigest()[:16]


def _options(folder: Path) -> dict[str, Any]:
    """What a checkpoint says about its own use with the workbench (workbench.json), if it does."""
    file = folder / "workbench.json"
    try:
        return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}
    except (ValueError, TypeError) as error:
        raise BackboneError(f"{file} isn't a JSON object: {first_line(error)}") from error
