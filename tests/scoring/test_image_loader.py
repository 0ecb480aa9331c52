"""Pictures come out the same whoever opens them, and a process that dies takes nothing with it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from PIL import Image

from tests.model import tiny
from warehouse.failures import POISON, VANISHED, Failure
from workbench.archive import scan
from workbench.archive.view import View
from workbench.model import backbone
from workbench.model.backbone import Pictures
from workbench.model.case import Picture
from workbench.scoring import input_pipeline
from workbench.scoring.input_pipeline import File


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    return backbone.load(tiny.save(tmp_path_factory.mktemp("model"), "qwen2_5_vl")).pictures


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[File]:
    """Four good pictures, one that no processor takes, one that is none, and one that isn't there."""
    folder = tmp_path_factory.mktemp("archive")
    for seed in range(4):
        tiny.picture(seed, 90 + 10 * seed, 100).image.save(folder / f"{seed}.png")
    Image.new("RGB", (3000, 3)).save(folder / "4.png")
    (folder / "5.png").write_bytes(b"no picture")
    paths = [folder / f"{number}.png" for number in range(7)]
    return [File(path, View(scan.content_of(path) if path.exists() else "")) for path in paths]


def _check(opened: list[input_pipeline.Opened], files: list[File], pictures: Pictures) -> None:
    assert len(opened) == len(files)
    for (path, view), each in zip(files[:4], opened, strict=False):
        content = view.content or ""
        assert isinstance(each, Picture)
        assert each.key == content
        assert each.image.tobytes() == Image.open(path).convert("RGB").tobytes()
        expected = pictures.prepare(content, each.image)
        assert each.ready is not None
        assert torch.equal(each.ready.pixels, expected.pixels)
        assert (each.ready.key, each.ready.grid, each.ready.tiles) == (content, expected.grid, expected.tiles)
    odd, none, gone = opened[4:]
    assert isinstance(odd, Picture)
    assert odd.ready is None  # said in words when a question about it is composed
    assert isinstance(none, Failure)
    assert none.kind == "not an image"
    assert gone == VANISHED


def test_a_thread_opens_and_makes_ready(files: list[File], pictures: Pictures) -> None:
    with input_pipeline.opener(pictures, 0) as opened:
        _check(opened(files), files, pictures)
    bare = input_pipeline.open_here(files[:1])
    assert isinstance(bare[0], Picture)
    assert bare[0].ready is None


@dataclass(frozen=True)
class Deadly:
    """Kills the process that makes one of the pictures ready."""

    pictures: Pictures
    content: str

    def prepare(self, content: str, image: Image.Image) -> Any:
        if content == self.content:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.pictures.prepare(content, image)


@pytest.mark.slow
def test_processes_open_and_make_ready_and_a_picture_over_which_two_died_is_passed_over(
    files: list[File], pictures: Pictures
) -> None:
    poison = files[0][0].with_name("poison.png")
    Image.new("RGB", (50, 50), "red").save(poison)
    content = scan.content_of(poison)
    deadly: Any = Deadly(pictures, content)
    with input_pipeline.opener(deadly, 1) as opened:
        passed_over, *others = opened([File(poison, View(content)), *files])
    assert passed_over == POISON
    _check(others, files, pictures)


def test_beside_a_gpu_there_are_processes_and_on_a_cpu_none() -> None:
    assert input_pipeline.default_processes("cpu") == 0
    assert 1 <= input_pipeline.default_processes("cuda:1") <= input_pipeline.MOST_PROCESSES
