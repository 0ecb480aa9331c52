"""A run in this process: what it finds done, how it ends, and what becomes of what can't be answered."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs import screen
from tests import scored
from tests.people import ANN
from tests.scored import Quiet
from warehouse import spool
from warehouse.errors import DiskFull, Locked
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.errors import AlreadyRunning, ArchiveError, DeviceLost, EncoderError, QuestionsError
from workbench.model import latent
from workbench.model.backbone import hub
from workbench.model.backbone.hub import root_mean_square
from workbench.model.case import Picture
from workbench.model.embedder import Encoder
from workbench.scoring import block as blocks
from workbench.scoring import models, replay, retrieval
from workbench.scoring import run as scoring
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.settings import Support

NO_KNOWLEDGE = Support(knowledge="none")


@pytest.fixture
def archive(drawn_archive: Path, tmp_path: Path) -> Path:
    """A copy to spoil: two products, three images, 21 questions."""
    copy = tmp_path / "archive"
    for product in ("metal_plate", "drug_capsule"):
        shutil.copytree(drawn_archive / "Drawn" / product, copy / "Drawn" / product)
    asked = json.loads((drawn_archive / "mmad.json").read_text())
    here = {path: record for path, record in asked.items() if (copy / path).is_file()}
    (copy / "mmad.json").write_text(json.dumps(here))
    return copy


@pytest.fixture
def data(data_folder: Path) -> Path:
    return data_folder


class Stopping(Quiet):
    """Sends this process a signal after the first block, as Ctrl-C or a service manager would."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self._number = number

    def advance(self, images: int, failed: int) -> None:
        super().advance(images, failed)
        if len(self.advanced) == 1:
            os.kill(os.getpid(), self._number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_after_its_block_and_the_same_call_goes_on(
    archive: Path, data: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    settings = scored.quick(data, NO_KNOWLEDGE, block_images=1)
    before = signal.getsignal(number)
    watch = Stopping(number)
    stopped = scoring.score(archive, settings, watch)
    assert (stopped.run.state, stopped.images) == ("stopped", 1)
    assert stopped.run.message == f"stopped by {number.name}; the same command goes on"
    assert signal.getsignal(number) == before
    resumed = scored.score(archive, settings)
    assert (resumed.run.run_id, resumed.run.state, resumed.resumed) == (stopped.run.run_id, "finished", True)
    assert resumed.images == sum(images for images, _ in watch.begun) - 1
    assert resumed.run.message is None


@pytest.mark.slow
def test_a_run_goes_on_with_the_unit_of_noise_it_began_with(
    archive: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = scored.quick(data, NO_KNOWLEDGE, block_images=1)
    whole = scored.score(archive, replace(settings, work=replace(settings.work, data=tmp_path / "whole")))
    stopped = scoring.score(archive, settings, Stopping(signal.SIGTERM))
    assert whole.run.embedding_scale is not None
    assert stopped.run.embedding_scale == whole.run.embedding_scale
    # A device whose sum comes out otherwise, as float32 did: the run's own figure counts, a new run's is the device's.
    monkeypatch.setattr(hub, "root_mean_square", lambda weight: 0.8 * root_mean_square(weight))
    resumed = scored.score(archive, settings)
    assert (resumed.run.run_id, resumed.run.state) == (stopped.run.run_id, "finished")
    assert resumed.run.embedding_scale == whole.run.embedding_scale
    assert scored.stored(tmp_path / "whole").differences(scored.stored(data)) == []
    replayed = replay.load(Store(data), resumed.run.run_id)
    assert replayed.evaluator.backbone.embedding_scale == whole.run.embedding_scale
    anew = scored.score(archive, replace(settings, work=replace(settings.work, limit=1)))
    assert anew.run.embedding_scale == pytest.approx(0.8 * whole.run.embedding_scale)
    rewards = [Store(data).predictions(each.run.run_id)["reward"][0].to_list() for each in (resumed, anew)]
    assert rewards[0] != rewards[1]


@pytest.mark.slow
def test_a_finished_run_is_followed_by_a_new_one_with_the_same_answers(archive: Path, data: Path) -> None:
    settings = scored.quick(data, NO_KNOWLEDGE)
    first, second = scored.score(archive, settings), scored.score(archive, settings)
    assert first.run.run_id != second.run.run_id
    assert first.run.digest == second.run.digest
    store = Store(data)
    rows = [store.predictions(r.run.run_id).drop("run_id", "seconds", "created_at") for r in (first, second)]
    assert rows[0].equals(rows[1])


@pytest.mark.slow
def test_other_settings_never_go_on_with_a_run(archive: Path, data: Path) -> None:
    settings = scored.quick(data, NO_KNOWLEDGE, block_images=1)
    stopped = scoring.score(archive, settings, Stopping(signal.SIGTERM))
    other = scored.score(archive, replace(settings, method=replace(settings.method, seed=1)))
    assert other.run.run_id != stopped.run.run_id
    assert not other.resumed


@pytest.mark.slow
def test_a_run_begun_in_blocks_for_a_gpu_is_gone_on_with_on_a_cpu(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, gpu = 1, 2
    monkeypatch.setattr(scoring, "IMAGES_PER_BLOCK", cpu)
    monkeypatch.setattr(scoring, "GPU_IMAGES_PER_BLOCK", gpu)
    settings = scored.quick(data, NO_KNOWLEDGE, block_images=None)
    monkeypatch.setattr(models, "block_images", lambda _: gpu)
    stopped = scoring.score(archive, settings, Stopping(signal.SIGTERM))
    assert (stopped.run.state, stopped.images) == ("stopped", gpu)
    monkeypatch.setattr(models, "block_images", lambda _: cpu)
    resumed = scored.score(archive, settings)
    assert (resumed.run.run_id, resumed.run.state, resumed.resumed) == (stopped.run.run_id, "finished", True)
    assert json.loads(resumed.run.settings)["block_images"] == gpu
    assert scored.score(archive, settings, again=False).run.run_id == stopped.run.run_id
    said = scored.score(archive, scored.quick(data, NO_KNOWLEDGE, block_images=cpu), again=False)
    assert said.run.run_id != stopped.run.run_id  # whoever names a size gets it


def test_a_second_coordinator_of_the_same_run_is_turned_away(archive: Path, data: Path) -> None:
    settings = scored.quick(data, NO_KNOWLEDGE, limit=2)

    class Second(Quiet):
        def begin(self, images: int, images_done: int) -> None:
            with pytest.raises(AlreadyRunning, match="another process is scoring this archive") as caught:
                scored.score(archive, settings)
            assert caught.value.exit_code == 75
            super().begin(images, images_done)

    watch = Second()
    assert scoring.score(archive, settings, watch).run.state == "finished"
    assert len(watch.begun) == 1


def test_broken_images_are_stored_failures_and_the_rest_is_scored(archive: Path, data: Path) -> None:
    images = sorted((archive / "Drawn").glob("*/test/*/*.png"))
    whole = images[0].read_bytes()
    images[0].write_bytes(whole[: len(whole) // 2])
    images[1].write_bytes(b"this is no picture")
    outcome = scored.score(archive, scored.quick(data, NO_KNOWLEDGE))
    rows = Store(data).predictions(outcome.run.run_id)
    failed = rows.filter(rows["status"] == "failed")
    assert outcome.run.state == "finished"
    assert outcome.run.failed == len(failed) == 14
    assert outcome.run.answered == len(rows) - 14 == 7
    reasons = {row["image_path"]: row["error"] for row in failed.iter_rows(named=True)}
    assert reasons[str(images[0].relative_to(archive))].startswith("truncated")
    assert reasons[str(images[1].relative_to(archive))].startswith("not an image")
    assert sum(row["questions"] for row in outcome.failures.iter_rows(named=True)) == 14
    row = failed.row(0, named=True)
    assert (row["answer"], row["option_probabilities"], row["entropy"], row["best_iteration"]) == (None, {}, [], None)


def test_an_unreadable_reference_fails_the_questions_that_need_it(archive: Path, data: Path) -> None:
    for reference in (archive / "Drawn/metal_plate/train/good").iterdir():
        reference.write_bytes(b"")
    outcome = scored.score(archive, scored.quick(data, NO_KNOWLEDGE))
    rows = Store(data).predictions(outcome.run.run_id)
    assert set(rows.filter(rows["product"] == "metal_plate")["error"]) == {
        "its reference is empty: the file has no bytes"
    }
    assert set(rows.filter(rows["product"] == "drug_capsule")["status"]) == {"answered"}


def test_a_question_file_that_is_partly_wrong_is_used_for_the_rest(archive: Path, data: Path) -> None:
    (archive / "mmad.json").write_text((archive / "mmad.json").read_text().replace('"Answer": "A"', '"Answer": "Z"'))
    outcome = scored.score(archive, scored.quick(data, NO_KNOWLEDGE))
    assert outcome.run.state == "finished"
    assert 0 < outcome.run.answered < 21
    assert any("the right answer 'Z' is not among the options" in kind.reason for kind in outcome.run.passed_over or ())
    assert any(re.fullmatch(r"images with a normal reference: \d+; distinct references: \d+", n) for n in outcome.notes)


def test_what_cannot_be_scored_at_all_is_told_before_a_model_is_loaded(
    archive: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object) -> LocalEvaluator:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(models, "load_evaluator", loaded)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveError, match="empty holds no images"):
        scored.score(tmp_path / "empty", scored.quick(data))
    with pytest.raises(ArchiveError, match="can't be listed"):
        scored.score(tmp_path / "absent", scored.quick(data))
    (archive / "mmad.json").write_text("[")
    with pytest.raises(QuestionsError, match=r"mmad\.json isn't JSON"):
        scored.score(archive, scored.quick(data))


def test_a_run_of_which_no_picture_had_a_reference_is_called_zero_shot(
    archive: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for product in ("metal_plate", "drug_capsule"):
        shutil.rmtree(archive / "Drawn" / product / "train")
    settings = scored.quick(data, NO_KNOWLEDGE, limit=2)
    assert settings.support.shots == 1

    outcome = scored.score(archive, settings)
    screen.show(outcome, data)

    printed = " ".join(capsys.readouterr().out.split())
    assert "prompt in the order of segments, zero-shot" in printed
    assert "1-shot" not in printed
    limited = "--limit counts questions, not images: asked 2 of 21 questions, about 1 of 3 images"
    assert limited in outcome.notes


def test_notes_say_what_was_done_without(archive: Path, data: Path) -> None:
    shutil.rmtree(archive / "Drawn/drug_capsule/train")
    outcome = scored.score(archive, scored.quick(data, limit=6))
    assert "no knowledge is published: scored without any (workbench knowledge import FILE)" in outcome.notes
    assert any("images without a normal reference, asked zero-shot: " in note for note in outcome.notes)
    assert outcome.run.knowledge_version is None


def test_trouble_with_the_warehouse_is_told_before_a_model_is_loaded(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise Locked("the warehouse is taken")

    monkeypatch.setattr(Store, "conflicts", taken)
    watch = Quiet()
    with pytest.raises(Locked):
        scoring.score(archive, scored.quick(data, NO_KNOWLEDGE), watch)
    assert len(watch.steps) == 2  # of the scan
    assert not any(step.startswith("loading") for step in watch.steps)


def test_an_encoder_that_cannot_be_had_is_told_with_what_to_do_instead(
    archive: Path, data: Path, drawn_archive: Path
) -> None:
    knowledge_files.import_file(Store(data), drawn_archive / "domain_knowledge.json", actor=ANN)
    with pytest.raises(EncoderError, match=r"--encoder, or do without: --knowledge product or --knowledge none"):
        scored.score(archive, scored.quick(data, Support(encoder=str(archive))))


class Breaking:
    """`latent.reason` that raises for chosen calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception, bad: Sequence[str] = ()) -> None:
        self._errors, self._bad, self._reason = list(errors), bad, latent.reason
        self.memory: list[int] = []
        monkeypatch.setattr(latent, "reason", self)

    def __call__(self, engine: Any, cases: Any, method: Any) -> Any:
        self.memory.append(engine.memory)
        if self._errors:
            raise self._errors.pop(0)
        if any(case.query.key in self._bad for case in cases):
            raise RuntimeError("a picture that breaks the model\nwith details")
        return self._reason(engine, cases, method)


def test_a_picture_that_breaks_the_model_fails_alone(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = sorted((archive / "Drawn").glob("*/test/*/*.png"))[0]
    Breaking(monkeypatch, bad=[hashlib.sha256(bad.read_bytes()).hexdigest()])
    outcome = scored.score(archive, scored.quick(data, NO_KNOWLEDGE, block_images=8))
    assert (outcome.run.answered, outcome.run.failed) == (14, 7)
    assert outcome.failures["error"].to_list() == ["the model failed: RuntimeError: a picture that breaks the model"]


def test_a_number_that_is_none_in_what_the_model_tells_fails_its_picture_alone(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = hashlib.sha256(min((archive / "Drawn").glob("*/test/*/*.png")).read_bytes()).hexdigest()
    reason = latent.reason

    def telling(engine: Any, cases: Any, method: Any) -> Any:
        return [
            replace(each, option_probabilities=dict.fromkeys(each.option_probabilities, math.nan))
            if case.query.key == bad
            else each
            for case, each in zip(cases, reason(engine, cases, method), strict=True)
        ]

    monkeypatch.setattr(latent, "reason", telling)
    outcome = scored.score(archive, scored.quick(data, NO_KNOWLEDGE, block_images=8))
    assert (outcome.run.answered, outcome.run.failed) == (14, 7)
    assert outcome.failures["error"].to_list() == [latent.NOT_FINITE.text]


def test_a_picture_that_the_encoder_does_not_take_fails_alone(
    archive: Path, data: Path, drawn_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge_files.import_file(Store(data), drawn_archive / "domain_knowledge.json", actor=ANN)
    bad = hashlib.sha256(min((archive / "Drawn").glob("*/test/*/*.png")).read_bytes()).hexdigest()
    encode = retrieval.encode_image

    def strict(picture: Picture, encoder: Encoder) -> retrieval.Matrix:
        if picture.key == bad:
            raise ValueError("the sides differ too much")
        return encode(picture, encoder)

    monkeypatch.setattr(retrieval, "encode_image", strict)
    outcome = scored.score(archive, scored.quick(data, block_images=8))
    assert (outcome.run.answered, outcome.run.failed) == (14, 7)
    assert outcome.failures["error"].to_list() == ["retrieval failed: ValueError: the sides differ too much"]


@pytest.mark.slow
def test_a_block_that_a_process_died_over_has_the_rows_of_a_run_that_was_never_cut(
    drawn_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = (scored.quick(tmp_path / name / "data", NO_KNOWLEDGE, limit=14) for name in ("whole", "cut"))
    scored.score(drawn_archive, whole)
    answer, together, dead = blocks.answer_block, [], tmp_path / "at-work.json"

    def dying(opened: blocks.OpenedBlock, *others: Any) -> blocks.Rows:
        together.append(len(opened.queries))
        if len(together) == 1:  # what a killed process leaves is put back below
            [left] = (tmp_path / "cut" / "data" / "tries").glob("*.at-work-*.json")
            shutil.copy(left, dead)
            raise KeyboardInterrupt
        return answer(opened, *others)

    monkeypatch.setattr(blocks, "answer_block", dying)
    with pytest.raises(KeyboardInterrupt):
        scored.score(drawn_archive, cut)
    run_id = Store(cut.work.data).runs()["run_id"][0]
    shutil.copy(dead, tmp_path / "cut" / "data" / "tries" / f"{run_id}.at-work-0.json")
    scored.score(drawn_archive, cut)

    assert together == [2, 1, 1, 2]
    assert scored.stored(whole.work.data).differences(scored.stored(cut.work.data)) == []


def test_out_of_memory_halves_the_memory_and_goes_on(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    short = Breaking(monkeypatch, torch.OutOfMemoryError("full"), library)
    outcome = scored.score(archive, scored.quick(data, NO_KNOWLEDGE, limit=2))
    assert (outcome.run.answered, outcome.run.failed) == (2, 0)
    assert short.memory == [2**30, 2**29, 2**28]
    assert outcome.run.message == "memory was short: finished with 256 instead of 1024 MiB for what is kept"


def test_a_lost_device_fails_the_run_with_what_to_do(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = scored.quick(data, NO_KNOWLEDGE, limit=2)
    with monkeypatch.context() as patched:
        Breaking(patched, RuntimeError("CUDA error: an illegal memory access was encountered"))
        with pytest.raises(DeviceLost, match="goes on where it stopped"):
            scored.score(archive, settings)
    run = Store(data).runs().row(0, named=True)
    assert (run["state"], run["failed"]) == ("failed", 0)
    assert "the GPU stopped answering" in run["message"]
    assert len(list((data / "tries").iterdir())) == 1  # a picture may be what the device couldn't bear
    again = scored.score(archive, settings)
    assert (again.run.state, again.run.failed) == ("finished", 0)
    assert list((data / "tries").iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_what_was_stored_is_gone_on_with(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = scored.quick(data, NO_KNOWLEDGE, block_images=1)
    written = 0
    write_part = spool.write_part

    def full(*arguments: Any) -> Any:
        nonlocal written
        written += 1
        if written == 2:
            raise DiskFull("the disk that holds data is full")
        return write_part(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(spool, "write_part", full)
        with pytest.raises(DiskFull):
            scored.score(archive, settings)
    run = Store(data).runs().row(0, named=True)
    assert (run["state"], run["message"]) == ("stopped", "the disk that holds data is full")
    outcome = scored.score(archive, settings)
    assert (outcome.resumed, outcome.run.state, outcome.images) == (True, "finished", 2)


@pytest.mark.slow
def test_rows_do_not_depend_on_how_many_images_share_a_block(archive: Path, data: Path, drawn_archive: Path) -> None:
    knowledge_files.import_file(Store(data), drawn_archive / "domain_knowledge.json", actor=ANN)
    answers = []
    for images in (1, 8):
        outcome = scored.score(archive, scored.quick(data, block_images=images))
        rows = Store(data).predictions(outcome.run.run_id).sort("image_path", "question_id")
        answers.append(rows)
    one, all_ = answers
    assert one["answer"].to_list() == all_["answer"].to_list()
    assert one["descriptions"].to_list() == all_["descriptions"].to_list()
    for mine, other in zip(one["reward"].to_list(), all_["reward"].to_list(), strict=True):
        assert mine == pytest.approx(other, abs=1e-4)
