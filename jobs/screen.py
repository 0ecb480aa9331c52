"""How a run looks on a terminal: progress on stderr while it goes, a summary on stdout when it ends."""

from __future__ import annotations

import json
import os
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import progress
from rich.console import Console
from rich.table import Column, Table

from workbench import wording

if TYPE_CHECKING:
    from warehouse.records.comparisons import RankedPicture
    from warehouse.records.scoring import PassedOver
    from workbench.analysis.alarms import Alarms
    from workbench.archive.overview import Overview
    from workbench.archive.problems import Problem
    from workbench.curation.blast_radius import Blast
    from workbench.scoring.picture_answers import PictureAnswers
    from workbench.scoring.run import Outcome

DEMO = "embedded demo model"
_DETECTION = ("escape", "overkill", "unreadable", "defective", "good", "detections")
PROBLEMS_SHOWN = 5  # of a file, those that count several answers first
EVERY = 30.0  # seconds between two lines where no terminal shows the bar


class Progress:
    """A `scoring.Watch`: a bar on a terminal, a line now and then in a log file."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, emoji=False)
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("images, {task.fields[rate]}"),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            progress.TextColumn("{task.fields[failures]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, rate="", failures="", visible=False)
        self._done = self._total = self._failed = self._here = 0
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, text: str) -> None:
        """Something that takes a while begins."""
        self._bar.update(self._task, description=text, visible=True)

    def begin(self, images: int, images_done: int) -> None:
        """The blocks begin."""
        self._done, self._total, self._begun = images_done, images, time.monotonic()
        self._bar.update(self._task, description="scoring", total=images, completed=images_done)
        if not self._console.is_terminal:
            done = f", {images_done:,} of them stored already" if images_done else ""
            self._console.print(f"scoring {wording.counted(images, 'image')}{done}", highlight=False)

    def advance(self, images: int, failed: int) -> None:
        """A block was stored."""
        self._done, self._here, self._failed = self._done + images, self._here + images, self._failed + failed
        now = time.monotonic()
        rate = self._here / max(now - self._begun, 1e-9)
        failures = f"{self._failed} failed" if self._failed else ""
        self._bar.update(self._task, completed=self._done, rate=f"{rate:.1f}/s", failures=failures)
        if not self._console.is_terminal and (now - self._told > EVERY or self._done == self._total):
            self._told = now
            left = (self._total - self._done) / rate
            done = f"{self._done:,} of {wording.counted(self._total, 'image')}"
            line = f"{done}, {rate:.1f}/s, {left:.0f} s left, {self._failed} failed"
            self._console.print(line, highlight=False)


def stdout() -> Console:
    """For tables; wide where no terminal says how wide it is, so that a file or a pipe gets names uncut.

    Text is shown as it is: a file called `lot[/7]` isn't markup.
    """
    width = None if sys.stdout.isatty() else 200
    return Console(highlight=False, markup=False, emoji=False, width=width)


def without_loading_bars(model: str) -> None:
    """No bars of the model library for weights that are here already; a download keeps its own."""
    if model == "embedded" or Path(model).exists():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def show(outcome: Outcome, data: Path, picture: PictureAnswers | None = None) -> None:
    """The summary of a run as a table on stdout; of a run over one picture its answers."""
    run, console = outcome.run, stdout()
    if picture:
        show_picture(picture, console)
    console.print(f"run {run.run_id} {run.state}{': ' + run.message if run.message else ''}")
    model = f"{DEMO}: drawn products only, says nothing about real ones" if run.demo else run.model
    console.print(f"model     {model} on {run.device}")
    from workbench.settings import COMPARE

    stated = json.loads(run.settings)
    if run.model == COMPARE:
        console.print(f"compares  {run.evaluator_version}")
        console.print(f"knowledge normals, version {run.knowledge_version or 'none'}")
    else:
        version = f"version {run.knowledge_version}" if run.knowledge_version else "nothing is published"
        version = f", {version}" if stated["knowledge"] != "none" else ""
        console.print(f"knowledge {stated['knowledge']}{version}")
        console.print(f"prompt    {protocol(stated, outcome.zero_shot)}")
    if picture is None:
        _show_summary(outcome, console)
    from workbench.analysis import failures

    for row in outcome.failures.iter_rows(named=True):
        group = failures.in_words(row["failure"], row["images"], row["questions"])
        reason = failures.reason_in_words(row["error"], row["texts"])
        console.print(f"failed: {group}, such as {plain(row['image_path'])}: {plain(reason)}")
    show_passed_over(run.passed_over or (), console)
    for note in outcome.notes:
        console.print(f"note: {plain(note)}")
    if outcome.images:
        spent = " ".join(f"{name} {seconds:.1f}" for name, seconds in asdict(run.timings).items())
        images, rate = wording.counted(outcome.images, "image"), outcome.images / outcome.seconds
        console.print(f"{images} in {outcome.seconds:.1f} s ({rate:.2f}/s); seconds: {spent}")
    else:
        console.print("nothing was left to score")
    console.print(f"look at it: workbench serve --data {data}")
    sys.stdout.flush()  # before `demo` becomes the dashboard


def _show_summary(outcome: Outcome, console: Console) -> None:
    from workbench.settings import COMPARE

    table = Table(
        Column("subtask", no_wrap=True),
        *(_right(name) for name in ("questions", "answered", "invalid", "failed", "accuracy")),
    )
    for row in outcome.summary.iter_rows(named=True):
        counts = (f"{row[name]:,}" for name in ("questions", "answered", "invalid", "failed"))
        accuracy = f"{row['correct'] / row['labelled']:.3f} of {row['labelled']:,}" if row["labelled"] else "-"
        table.add_row(row["subtask"], *counts, accuracy)
    console.print(table)
    count = {name: int(outcome.summary[name].sum()) for name in _DETECTION}
    if count["detections"]:
        console.print(_detection(count, compares=outcome.run.model == COMPARE))
    if outcome.pieces is not None:
        console.print(outcome.pieces.sentence)
    show_alarms(outcome.alarms, console, ranked=bool(outcome.suspicious))
    show_suspicious(outcome.suspicious, console)
    if outcome.right_reason is not None:
        from workbench.analysis import right_reason

        console.print(right_reason.sentence(outcome.right_reason))
        console.print(right_reason.painted_sentence(outcome.right_reason, outcome.run.run_id))


def _detection(count: Mapping[str, int], *, compares: bool) -> str:
    """Escapes and overkill of the pictures with labels, each where there are such, and what wasn't decided."""
    said = []
    if count["defective"]:
        escapes = wording.counted(count["escape"], "escape")
        said.append(f"{escapes} of {wording.counted(count['defective'], 'defective image')}")
    if count["good"]:
        said.append(f"{count['overkill']:,} overkill of {wording.counted(count['good'], 'good one')}")
    share = f"{count['unreadable']:,} of {count['detections']:,}"
    undecided = f"nothing is claimed of {share}" if compares else f"{share} unreadable"
    return f"detection {', '.join(said)}; {undecided}"


def show_suspicious(pictures: Sequence[RankedPicture], console: Console) -> None:
    """The pictures that are farthest from what is normal, in order; nothing where nothing was compared."""
    if not pictures:
        return
    from workbench.analysis import suspicion

    names = ("most suspicious first", "product", "label", "beside the normals", "claim", "where")
    table = Table(*names[:3], _right("score"), *names[3:])
    for each in pictures:
        where = suspicion.place(each.area, each.marked) or "-"
        score, among = f"{each.score:.3f}", suspicion.standing(each.rank, each.normals)
        table.add_row(plain(each.image_path), plain(each.product), each.label or "-", score, among, each.claim, where)
    console.print(table)


def show_archive(overview: Overview) -> None:
    """What an archive holds: its kinds as a table, the rest in sentences, what is passed over last."""
    console = stdout()
    console.print(plain(overview.root))
    if overview.kinds:
        table = Table("product", "label", _right("pictures"), _right("masks"))
        for kind in overview.kinds:
            table.add_row(plain(kind.product), plain(kind.label), f"{kind.pictures:,}", f"{kind.masks:,}")
        console.print(table)
    for sentence in overview.sentences():
        console.print(plain(sentence))
    show_passed_over(overview.passed_over, console)


def show_passed_over(kinds: Sequence[PassedOver], console: Console) -> None:
    """What was passed over, a line for each kind; remarks on what was used last."""
    from workbench.archive import problems

    for each in kinds:
        head = "remark" if each.unit == "remark" else "passed over"
        console.print(f"{head}: {plain(problems.in_words(each))}")


def show_picture(picture: PictureAnswers, console: Console) -> None:
    """What is said of one picture: the claim in a sentence, and every answer with its probability."""
    console.print(plain(picture.sentence))
    if picture.compared:
        console.print(plain(picture.compared))
    table = Table(Column("question", no_wrap=True), "answer", _right("probability"))
    for each in picture.answers:
        table.add_row(each.subtask, plain(each.answer or each.error or each.status), _probability(each.probability))
    console.print(table)


def show_alarms(alarms: Alarms, console: Console, *, ranked: bool = False) -> None:
    """How many pictures without a label were called defective, where, which, and how sure; nothing without any.

    Args:
        ranked: a list of the most suspicious pictures follows, which says which.
    """
    if not alarms.called.images:
        return
    console.print(alarms.called.sentence)
    if alarms.groups:
        names = ("called defective", "of pictures", "share", "95 %", "probability")
        table = Table("", *(_right(name) for name in names))
        for group in alarms.most():
            share, ends = wording.percent(group.rate), wording.percent_interval(group.low, group.high)
            counts = (f"{group.defective:,}", f"{group.images:,}", share, ends, _probability(group.probability))
            table.add_row(plain(group.name), *counts)
        console.print(table)
    if alarms.pictures and not ranked:
        table = Table("called defective", "product", "line", "camera", "answer", _right("probability"), "region")
        for picture in alarms.pictures:
            where = (plain(text or "-") for text in (picture.image_path, picture.product, picture.line, picture.camera))
            table.add_row(
                *where,
                plain(picture.answer_text or "-"),
                _probability(picture.defect_probability),
                plain(picture.region or "-").rstrip("."),
            )
        console.print(table)
        if alarms.called.defective > len(alarms.pictures):
            console.print(alarms.pictures_title)


def _probability(value: float | None) -> str:
    from workbench.analysis import alarms

    return alarms.probability(value)


def protocol(settings: Mapping[str, object], zero_shot: bool) -> str:
    """The order of the prompt's parts and what stood beside the pictures.

    Args:
        settings: of the run.
        zero_shot: no picture was shown with a reference, whatever the settings allow.
    """
    shots = "zero-shot" if zero_shot else f"1-shot, {settings['templates']} templates"
    return f"in the order of {settings['prompt']}, {shots}"


def as_json(outcome: Outcome) -> dict[str, object]:
    """The summary of a run for machines."""
    run = asdict(outcome.run)
    return {
        **run,
        "settings": json.loads(outcome.run.settings),
        "versions": json.loads(outcome.run.versions),
        "subtasks": outcome.summary.to_dicts(),
        "failures": outcome.failures.to_dicts(),
        "called_defective": asdict(outcome.alarms),
        "pieces": asdict(outcome.pieces) if outcome.pieces else None,
        "right_reason": asdict(outcome.right_reason) if outcome.right_reason else None,
        "suspicious": [asdict(each) for each in outcome.suspicious],
        "notes": list(outcome.notes),
        "images_scored": outcome.images,
        "seconds": outcome.seconds,
        "resumed": outcome.resumed,
    }


def exit_code(outcome: Outcome) -> int:
    """0: everything was answered or read as invalid; 1: something failed, or the run is not finished."""
    return 0 if outcome.run.state == "finished" and not outcome.run.failed else 1


def rows(records: Sequence[Mapping[str, object]], as_document: bool, empty: str) -> None:
    """Equal records as a table, or as one JSON document."""
    if as_document:
        print(json.dumps(list(records), indent=1, default=str))  # noqa: T201
    elif not records:
        print(empty)  # noqa: T201
    else:
        table = Table(*records[0])
        for each in records:
            table.add_row(*(plain(_cell(value)) for value in each.values()))
        stdout().print(table)


def plain(text: str) -> str:
    """Text from outside on one line, with no orders to the terminal in it."""
    return harmless(" ".join(text.split()))


def harmless(text: str) -> str:
    """Text from outside with its control characters shown: with them a terminal can be told things."""
    return "".join(each if _is_harmless(each) else f"\\x{ord(each):02x}" for each in text)


def _is_harmless(letter: str) -> bool:
    return letter.isprintable() or letter in "\n\t" or unicodedata.category(letter) == "Zs"  # Zs: spaces of all widths


def show_blast(blast: Blast, limit: int, as_document: bool) -> None:
    """What a changed text would change."""
    changed = blast.changed.head(limit).to_dicts()
    if as_document:
        known = {"run_id": blast.run.run_id, "images": blast.changed.height, "of": blast.images, "unseen": blast.unseen}
        print(json.dumps({**known, "questions": blast.questions, "seconds": blast.seconds, "changed": changed}))  # noqa: T201
        return
    stdout().print(
        f"{blast.changed.height:,} of {wording.counted(blast.images, 'image')} of run {blast.run.run_id} would be "
        f"shown something else; testing their {wording.counted(blast.questions, 'question')} twice takes about "
        f"{blast.seconds:,.0f} s at that run's speed"
    )
    if blast.unseen:
        stdout().print(
            f"{wording.counted(blast.unseen, 'image has', 'images have')} no vector any more: workbench reindex"
        )
    table = Table("image", "product", "defect", _right("rank now"), _right("rank then"))
    for each in changed:
        ranks = (str(each[name]) if each[name] else "-" for name in ("before", "after"))
        table.add_row(
            plain(each["path"]), plain(each["product"]), plain(each["defect"] or each["label"] or "-"), *ranks
        )
    if changed:
        stdout().print(table)
    if blast.changed.height > limit:
        stdout().print(f"showing {limit:,} of {blast.changed.height:,}")


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)


def _right(name: str) -> Column:
    return Column(name, justify="right")


def problems(found_problems: Sequence[Problem]) -> None:
    """The first problems of a file on stderr, and how many more there are."""
    for problem in found_problems[:PROBLEMS_SHOWN]:
        print(f"{problem.path}: {problem.reason}", file=sys.stderr)  # noqa: T201
    if len(found_problems) > PROBLEMS_SHOWN:
        print(f"and {len(found_problems) - PROBLEMS_SHOWN:,} more problems", file=sys.stderr)  # noqa: T201
