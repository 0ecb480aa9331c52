"""Checkpoints that would load and answer something else than they should, or not at all: each refused in one line.

    a folder's files -> nothing, or a BackboneError that says what to do

A LoRA adapter beside base weights is not applied by the library: the base model would answer under the adapter's name.
Quantised weights need kernels and packages of their own, and without those are missing, or read as plain numbers. A
tokenizer that is code of its own is never run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BackboneError

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
QUANTISED_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")  # older or other layouts
PACKED = (".qweight", ".qzeros", ".weight_packed", ".weight_scale", ".weight_scale_inv", ".absmax", ".SCB")
PLAIN = frozenset({"F64", "F32", "F16", "BF16"})
_HEADER_LIMIT = 2**27  # bytes; no checkpoint's list of tensors is as long


def refuse_adapter(name: str | Path, folder: Path, model_class: str) -> None:
    """Raise BackboneError if there is a LoRA adapter in the folder, with the command that merges it.

    Args:
        name: as the user gave it.
        folder: where its files are.
        model_class: of the transformers library, for the base model.
    """
    found = next((file for file in ADAPTER_FILES if (folder / file).is_file()), None)
    found = found or next((file.name for file, header in _headers(folder) if any(map(_is_adapters, header))), None)
    if found is None:
        return
    said = _read(folder / "adapter_config.json").get("base_model_name_or_path")
    base = str(name) if (folder / "config.json").is_file() else str(said or "BASE")
    merge = (
        f"import peft, transformers as t; b = t.{model_class}.from_pretrained('{base}', dtype='auto'); "
        f"peft.PeftModel.from_pretrained(b, '{name}').merge_and_unload().save_pretrained('MERGED')"
    )
    raise BackboneError(
        f"{name} holds a LoRA adapter ({found}), which would be left out without a word; merge it into its base first "
        f'and give the merged folder: python -c "{merge}"; then copy the base\'s tokenizer*, preprocessor_config.json '
        "and the like into MERGED (and take the adapter's files out of a folder whose base is meant)"
    )


def refuse_quantised(name: str | Path, folder: Path, config: Mapping[str, Any]) -> None:
    """Raise BackboneError if the weights aren't plain numbers of 16, 32 or 64 bits."""
    stated = config.get("quantization_config") or next(
        (part["quantization_config"] for part in config.values() if _names_quantisation(part)), None
    )
    if stated:
        kind = stated.get("quant_method") if isinstance(stated, Mapping) else None
        how = str(kind or "quantization_config in its config.json")
    elif found := next((file for file in QUANTISED_FILES if (folder / file).is_file()), None):
        how = found
    elif packed := next(_packed(folder), None):
        how = packed
    else:
        return
    raise BackboneError(
        f"{name} is quantised ({how}), and only plain weights are read; give the checkpoint it was made from, in "
        "bfloat16, float16 or float32"
    )


def refuse_own_tokenizer(name: str | Path, folder: Path) -> None:
    """Raise BackboneError if the tokenizer is code of its own, as InternLM2's is."""
    stated = _read(folder / "tokenizer_config.json")
    kind, own = str(stated.get("tokenizer_class") or ""), stated.get("auto_map")
    if "InternLM2" in kind or (isinstance(own, Mapping) and own.get("AutoTokenizer") and not _is_known(kind)):
        raise BackboneError(
            f"the tokenizer of {name} ({kind or 'named in its auto_map'}) is code of its own, which is never run; give "
            "a checkpoint whose text model has a tokenizer of the library's, such as OpenGVLab/InternVL3-8B-hf"
        )


def _is_known(tokenizer_class: str) -> bool:
    import transformers

    return bool(tokenizer_class) and hasattr(transformers, tokenizer_class)


def _names_quantisation(part: object) -> bool:
    return isinstance(part, Mapping) and bool(part.get("quantization_config"))


def _is_adapters(tensor: str) -> bool:
    return any(mark in tensor for mark in (".lora_A", ".lora_B", ".lora_down", ".lora_up", ".lora_embedding_"))


def _packed(folder: Path) -> Iterator[str]:
    """Tensors that only quantised checkpoints have, with what they hold."""
    for _, header in _headers(folder):
        for tensor, about in header.items():
            kind = str(about.get("dtype")) if isinstance(about, Mapping) else ""
            if tensor.endswith(PACKED) or (tensor.endswith(".weight") and kind not in PLAIN):
                yield f"{tensor} is {kind}"


def _headers(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each safetensors file's list of tensors; a file that can't be read is left to whoever reads its weights."""
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length)) if length < _HEADER_LIMIT else {}
        except (OSError, ValueError):
            continue
        if isinstance(header, dict):
            yield path, {tensor: about for tensor, about in header.items() if tensor != "__metadata__"}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
