"""The command line: help that can be pasted, settings that explain themselves, exit codes, clear refusals."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest
from filelock import FileLock
from typer.core import TyperOption
from typer.testing import CliRunner

from jobs import screen
from jobs.__main__ import app
from tests.commands import commands
from tests.conftest import ROOT
from tests.scored import workbench
from warehouse.store import Store
from workbench import settings
from workbench.errors import QuestionsError, SettingsError
from workbench.scoring import prepare_run


def test_the_commands_other_work_builds_on_are_there() -> None:
    named = ["demo", "score", "runs", "export", "ingest", "reindex", "serve", "doctor", "knowledge import"]
    named += ["knowledge list"]
    assert {f"workbench {name}" for name in named} <= commands().keys()


@pytest.mark.parametrize("name", commands())
def test_every_command_says_what_it_does_with_an_example(name: str) -> None:
    [example] = [line.strip() for line in (commands()[name].help or "").splitlines() if "Example:" in line]
    assert example.startswith(f"Example: {name}")
    assert len(example) < 80  # a wrapped line could not be pasted
    commands()[name].make_context(name, shlex.split(example.removeprefix(f"Example: {name}")))  # or it raises
    assert all(option.help for option in commands()[name].params if isinstance(option, TyperOption))


@pytest.mark.parametrize("name", commands())
def test_every_command_that_remembers_takes_a_data_folder(name: str) -> None:
    options = {word for option in commands()[name].params for word in option.opts}
    assert "--data" in options or name in ("workbench draw-archive", "workbench archive")


def test_score_has_a_flag_for_every_setting_people_change() -> None:
    flags = {option.name for option in commands()["workbench score"].params}
    nights = {field.name for field in dataclasses.fields(settings.Operation)}
    left_to_the_file = {
        "sigma", "sigma_decay", "step", "trust_radius", "published_step", "patches_per_latent", "patch_cap",
        "max_new_tokens", "patience", "plateau", "threads", "memory_gib", "input_processes", "block_images",
        "ingest_seconds", "attention_layers", "integer_range", "float_range", "layouts", "day_first",
        "time_zone", "views", "tiled_above", "compare_nearest", "compare_tolerance", "compare_layers",
        "reference_choice", "proposals", "region_picture",
    } | nights  # fmt: skip
    assert set(settings.Settings().values()) - flags == left_to_the_file


def test_every_command_that_takes_settings_takes_any_of_them() -> None:
    with_set = {name for name, of in commands().items() if any(each.name == "set_" for each in of.params)}
    names = ("ablate", "archive", "demo", "explain", "knowledge normals import", "schedule add", "score", "stress")
    assert with_set == {f"workbench {name}" for name in names}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--set iterations=3 --set input-processes=2", "input_processes = 2  # --input-processes"),
        ("--set iterations", "'iterations' is not NAME=VALUE"),
        ("--iterations 2 --set iterations=3", "iterations is given twice"),
        ("--set nonsense=3", "unknown setting 'nonsense' in --set;"),
    ],
)
def test_any_setting_can_be_set_once_by_its_name(words: str, said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(tmp_path), "--show-config", *words.split()], env={"COLUMNS": "200"})
    assert said in result.output or said in str(result.exception)
    assert result.exit_code == (0 if " = " in said else 1 if isinstance(result.exception, SettingsError) else 2)


def test_the_defaults_that_the_help_names_are_the_settings_own() -> None:
    values, checked = settings.Settings().values(), 0
    for option in commands()["workbench score"].params:
        named = re.search(r"\(default: (\w+)\)", getattr(option, "help", None) or "")
        if named and option.name in values:
            assert named[1] == {"False": "no"}.get(str(values[option.name]), str(values[option.name]))
            checked += 1
    assert checked == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--keep", "only `--arms layers` finds something to keep"),
        ("--seeds 3", "only `--arms grid` compares seeds"),
        ("--arms layers --only main", "`--arms layers` has no arms to choose from"),
    ],
)
def test_ablate_refuses_a_flag_that_would_change_nothing(words: str, said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ablate", str(tmp_path), *words.split()], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output


def test_text_from_outside_keeps_its_spaces_and_gives_no_orders() -> None:
    assert screen.harmless("3\u00a0mm,\u2009tief\n") == "3\u00a0mm,\u2009tief\n"
    assert screen.harmless("\x1b[2J\u2028") == "\\x1b[2J\\x2028"


def test_help_is_there_in_under_a_second(data_folder: Path) -> None:
    """Its processor time: a busy machine's clock says little."""
    before, wall = os.times(), time.perf_counter()
    done = workbench("--help", data=data_folder)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert done.returncode == 0
    assert "score" in done.stdout
    assert spent < 1, f"{spent:.2f} s of processor time, {time.perf_counter() - wall:.2f} s in all"


def shown(*arguments: str) -> dict[str, str]:
    result = CliRunner().invoke(app, ["score", "anywhere", "--show-config", *arguments])
    assert result.exit_code == 0, result.output
    return dict(line.split(" = ", 1) for line in result.stdout.splitlines() if " = " in line)


def test_show_config_prints_each_value_and_its_origin(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_SAMPLES", "8")
    (tmp_path / "night.toml").write_text('knowledge = "product"\n')
    lines = shown("--iterations", "3", "--config", str(tmp_path / "night.toml"))
    assert lines["iterations"] == "3  # --iterations"
    assert lines["samples"] == "8  # WORKBENCH_SAMPLES"
    assert lines["knowledge"] == f'"product"  # {tmp_path / "night.toml"}'
    assert lines["think_tokens"] == "4  # default"
    assert lines["data"] == f'"{data_folder}"  # WORKBENCH_DATA'


def test_what_show_config_prints_is_a_settings_file(tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["score", "anywhere", "--show-config", "--seed", "5"]).stdout
    (tmp_path / "again.toml").write_text(printed)
    assert shown("--config", str(tmp_path / "again.toml"))["seed"] == f"5  # {tmp_path / 'again.toml'}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score", "absent"], "the archive absent can't be listed: No such file or directory"),
        (["score", ".", "--iterations", "-1"], "iterations is -1; it must be at least 0"),
        (["score", ".", "--top-k", "few"], "top_k is 'few' (from --top-k)"),
        (["score", ".", "--config", "absent.toml"], "cannot read the settings file absent.toml"),
        (["knowledge", "import", "absent.json"], "cannot read the knowledge file absent.json"),
        (["export", "predictions", "--run", "none", "-o", "x.csv"], "there is no run none"),
        (["runs", "--data", __file__], "test_command_line.py is a file; give a folder"),
        (["score", ".", "--data", __file__], "test_command_line.py is a file; give a folder"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(data_folder: Path, arguments: list[str], words: str) -> None:
    data_folder.mkdir(parents=True)
    done = workbench(*arguments, data=data_folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", ["export patches --run none -o", "report none -o", "mmad --answers none.json --csv"])
def test_a_file_in_no_folder_or_in_place_of_one_is_refused_before_any_work(words: str, tmp_path: Path) -> None:
    for file, told in ((tmp_path / "absent" / "x.csv", "there is no folder"), (tmp_path, "name a file in it")):
        refused = CliRunner().invoke(app, [*words.split(), str(file), "--data", str(tmp_path / "data")])
        assert refused.exit_code == 2
        assert told in " ".join(re.sub("[│╭─╮╰╯]", " ", refused.stderr).split())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_declares_a_question_set_is_to_be_registered(tmp_path: Path) -> None:
    file = ROOT / "tests" / "archive" / "wareneingang.toml"
    with pytest.raises(QuestionsError, match=f"`workbench questions add {file}`, then ask it with .* wareneingang`"):
        prepare_run.chosen_set(tmp_path / "data", tmp_path, str(file))


def test_what_comes_from_outside_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # so that the bar is drawn
    name = "lot[/7] [red]cup :x:"
    with screen.Progress() as watch:
        watch.step(f"scanning {name}")
    screen.rows([{"image": name}], False, "")

    shown = capsys.readouterr()
    assert f"scanning {name}" in shown.err
    assert name in shown.out


@pytest.fixture(scope="module")
def two_images(tmp_path_factory: pytest.TempPathFactory, drawn_archive: Path) -> Path:
    """An archive without questions: one whole picture and one that is text."""
    folder = tmp_path_factory.mktemp("two") / "photos"
    folder.mkdir()
    shutil.copy(next((drawn_archive / "Drawn").glob("*/test/*/000.png")), folder / "whole.png")
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.mark.slow
def test_failed_items_are_exit_code_1_and_the_rest_is_answered(data_folder: Path, two_images: Path) -> None:
    done = workbench("score", two_images, "--json", "--iterations", "1", "--truth", "reviewed", data=data_folder)
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert (said["truth"], said["verified"]["answers"]) == ("reviewed", 0)
    assert (said["state"], said["planned"], said["failed"]) == ("finished", 8, 4)
    assert said["failures"][0]["error"].startswith("not an image")
    assert said["demo"] is True


@pytest.mark.slow
def test_a_folder_that_is_no_model_is_refused(data_folder: Path, two_images: Path) -> None:
    done = workbench("score", two_images, "--model", two_images, data=data_folder)
    assert done.returncode == 2
    assert "is not a model folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert Store(data_folder).runs().is_empty()


@pytest.mark.slow
def test_while_another_process_has_the_run_the_exit_code_is_75(data_folder: Path, drawn_archive: Path) -> None:
    arguments = ("score", drawn_archive, "--knowledge", "none", "--limit", "1")
    assert workbench(*arguments, data=data_folder).returncode == 0
    [run] = Store(data_folder).runs().iter_rows(named=True)
    with FileLock(data_folder / "locks" / f"run-{run['digest']}-{run['plan']}.lock"):
        second = workbench(*arguments, data=data_folder)
    assert second.returncode == 75, second.stdout + second.stderr
    assert "another process is scoring this archive with the same settings" in second.stderr
    assert len(Store(data_folder).runs()) == 1
