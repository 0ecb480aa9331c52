"""Checkpoints as they are published: the hub's answers, older layouts of weights and settings, code that is never run.

The hub is a small server of ours, asked by the library's own client in another process.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.model import tiny
from workbench.errors import BackboneError
from workbench.model import backbone

COMMIT = "a" * 40
ASKED = """
import sys
from workbench.errors import BackboneError
from workbench.model import backbone
for name in sys.argv[1:]:
    try:
        print(name, "loaded", backbone.load(name).revision)
    except BackboneError as error:
        print(error)
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves `public/model`, and `pickled/model` without safetensors; has `gated/model`; knows no other."""

    folder: ClassVar[Path]

    def do_HEAD(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        owner = parts[2] if parts[0] == "api" else parts[0]
        files = [file for file in self.folder.iterdir() if owner == "public" or file.suffix == ".json"]
        if owner == "gated":
            self._refuse(403, "GatedRepo")
        elif owner not in ("public", "pickled"):
            self._refuse(401, "RepoNotFound")
        elif parts[0] == "api" and "tree" not in parts:
            names = [{"rfilename": file.name} for file in files]
            self._send(json.dumps({"id": f"{owner}/model", "sha": COMMIT, "siblings": names}).encode())
        elif parts[-1] in [file.name for file in files]:
            self._send((self.folder / parts[-1]).read_bytes())
        else:
            self._refuse(404, "EntryNotFound")

    do_GET = do_HEAD  # noqa: N815

    def _refuse(self, code: int, error: str) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", error)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{len(body)}-{self.path.split("/")[-1]}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What loading each name from the hub says."""
    names = ("public/model", "pickled/model", "gated/model", "nobody/model")
    Hub.folder = tiny.save(tmp_path_factory.mktemp("hub"), "internvl3")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    try:
        ran = subprocess.run(
            [sys.executable, "-c", ASKED, *names], env=environment, capture_output=True, text=True, timeout=300
        )
    finally:
        server.shutdown()
        server.server_close()
    assert ran.returncode == 0, ran.stderr
    return dict(zip(names, ran.stdout.strip().splitlines(), strict=True))


@pytest.mark.slow
def test_a_public_model_is_loaded_and_named_by_its_commit(said: dict[str, str]) -> None:
    assert re.fullmatch(f"public/model loaded {COMMIT}\\+[0-9a-f]{{8}}", said["public/model"])


@pytest.mark.slow
def test_what_the_hub_refuses_is_said_with_its_remedy(said: dict[str, str]) -> None:
    assert said["gated/model"].startswith(
        "can't load gated/model: it is gated: accept its terms on its page of the hub"
    )
    assert "`hf auth login` or set HF_TOKEN" in said["gated/model"]
    assert "neither a folder nor a model of the hub has this name" in said["nobody/model"]
    assert said["pickled/model"].startswith("can't load pickled/model: it has no *.safetensors; other weight files")


def test_without_a_network_the_remedy_is_to_download_elsewhere() -> None:
    with pytest.raises(BackboneError, match=r"the hub can't be reached .* `hf download NAME --local-dir FOLDER`"):
        backbone.load("Qwen/Qwen2.5-VL-7B-Instruct")


def _configure(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]], name: str = "config.json") -> None:
    (folder / name).write_text(json.dumps(change(json.loads((folder / name).read_text()))))


def test_a_model_that_brings_its_own_code_is_refused_and_the_code_not_run(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path, "internvl3")
    (folder / "own.py").write_text("raise SystemExit('run')")
    own = {"model_type": "internvl_chat", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    _configure(folder, lambda config: config | own)
    words = r"is a internvl_chat model; supported families are internvl, qwen2_5_vl, qwen3_vl; .* named \.\.\.-hf"
    with pytest.raises(BackboneError, match=words):
        backbone.load(folder)


def _published_qwen2_5_vl(folder: Path) -> None:
    """The text model's settings at the top, and bounds of the picture's area."""

    def flat(config: dict[str, Any]) -> dict[str, Any]:
        text = config.pop("text_config")
        rope = text.pop("rope_parameters")
        text["rope_scaling"] = {"type": "mrope", "mrope_section": rope["mrope_section"]}
        text["rope_theta"] = rope["rope_theta"]
        text |= {"use_sliding_window": False, "sliding_window": 32768, "max_window_layers": 3}
        return {key: text[key] for key in text if key not in ("layer_types", "model_type")} | config

    def bounded(processor: dict[str, Any]) -> dict[str, Any]:
        size = processor.pop("size")
        return processor | {
            "min_pixels": size["shortest_edge"],
            "max_pixels": size["longest_edge"],
            "image_processor_type": "Qwen2VLImageProcessor",
        }

    _configure(folder, flat)
    _configure(folder, bounded, "preprocessor_config.json")


def _published_internvl(folder: Path) -> None:
    """Names the processor that needs torchvision."""
    _configure(
        folder, lambda made: made | {"image_processor_type": "GotOcr2ImageProcessorFast"}, "preprocessor_config.json"
    )


PUBLISHED = {"qwen2_5_vl": _published_qwen2_5_vl, "internvl3": _published_internvl}
NAMES = {  # of weights in the published files; the library writes them so, too
    "qwen2_5_vl": ("model.layers.0.self_attn.q_proj.weight", "visual.blocks.0.attn.qkv.weight", "lm_head.weight"),
    "internvl3": ("language_model.model.layers.0.self_attn.q_proj.weight", "language_model.lm_head.weight"),
}


@pytest.mark.parametrize("family", PUBLISHED)
def test_the_layout_of_the_published_checkpoints_is_read(family: str, tmp_path: Path) -> None:
    folder = tiny.save(tmp_path, family)
    assert set(NAMES[family]) < set(load_file(folder / "model.safetensors"))
    before = backbone.load(folder)
    PUBLISHED[family](folder)
    after = backbone.load(folder)
    weights = dict(tiny.model(before).named_parameters())
    for name, parameter in tiny.model(after).named_parameters():
        assert torch.equal(parameter, weights[name]), name
    picture = tiny.picture(3, 300, 200).image
    assert torch.equal(before.prepare("", picture).pixels, after.prepare("", picture).pixels)
    ids = before.tokenize(("Is there a dent?",), {})
    positions, _ = before.positions(ids, [], 0)
    mask = torch.ones(1, 1, len(ids), len(ids), dtype=torch.bool).tril()
    with torch.no_grad():
        read = [body.hidden(body.embed(ids, [])[None], positions[:, None], mask, None) for body in (before, after)]
    assert torch.equal(read[0], read[1])


def test_tied_weights_are_not_missing(tmp_path: Path) -> None:
    folder = tiny.save(tmp_path, "qwen3_vl")

    def tied(config: dict[str, Any]) -> dict[str, Any]:
        config["text_config"]["tie_word_embeddings"] = True
        return config | {"tie_word_embeddings": True}

    _configure(folder, tied)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    body = tiny.model(backbone.load(folder))
    assert torch.equal(body.lm_head.weight, body.model.language_model.embed_tokens.weight)
