"""Settings: where values come from, how bad ones are refused, and what the digest sees."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from workbench import settings
from workbench.errors import SettingsError
from workbench.model.method import Method
from workbench.settings import Facts, Machine, Operation, Settings, Support, Work

FACTS = Facts(weights="w", dtype="float32", prompt="1", questions="mmad:q", knowledge_version="k", encoder="siglip@1")


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings().values():
        monkeypatch.delenv(f"WORKBENCH_{name.upper()}", raising=False)


def test_flags_win_over_the_environment_over_the_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workbench.toml").write_text("iterations = 1\nsamples = 6\nseed = 7\n")
    monkeypatch.setenv("WORKBENCH_ITERATIONS", "2")
    monkeypatch.setenv("WORKBENCH_SAMPLES", "8")
    loaded = settings.load({"iterations": 3})
    method = loaded.settings.method
    assert (method.iterations, method.samples, method.seed, method.think_tokens) == (3, 8, 7, 4)
    assert {name: loaded.origins[name] for name in ("iterations", "samples", "seed", "think_tokens")} == {
        "iterations": "--iterations",
        "samples": "WORKBENCH_SAMPLES",
        "seed": "workbench.toml",
        "think_tokens": "default",
    }


def test_a_named_settings_file_is_read_instead_of_the_one_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text("seed = 1\n")
    (tmp_path / "other.toml").write_text('top_k = "all"\n')
    loaded = settings.load({}, config=tmp_path / "other.toml")
    assert (loaded.settings.method.seed, loaded.settings.support.top_k) == (0, "all")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"iterations": -1}, "iterations is -1; it must be at least 0 (iterations from --iterations)"),
        ({"samples": 1}, "samples must be at least 2"),
        ({"estimator": "antithetic", "samples": 3}, "even number of samples"),
        ({"knowledge": "some"}, "knowledge is 'some' (from --knowledge)"),
        ({"top_k": "most"}, "top_k is 'most'"),
        ({"top_k": 0}, "top_k is 0; it must be at least 1, or `all`"),
        ({"shots": 2}, "shots is 2 (from --shots)"),
        ({"limit": 0}, "limit is 0"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence(flags: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(flags)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_in_the_file_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text("iteratoins = 1\n")
    with pytest.raises(SettingsError, match=r"unknown setting 'iteratoins' in workbench.toml; .*iterations"):
        settings.load({})


@pytest.mark.parametrize("text", ["iterations = ", "iterations = \xff"])
def test_a_malformed_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "workbench.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"workbench.toml is not valid TOML"):
        settings.load({})


def test_every_setting_is_classed_as_changing_answers_or_not() -> None:
    every = set(Settings().values())
    assert every == settings.IN_DIGEST | set(settings.OUT_OF_DIGEST)
    assert not settings.IN_DIGEST & set(settings.OUT_OF_DIGEST)
    assert all(settings.OUT_OF_DIGEST.values())


def test_no_two_settings_share_a_flat_name() -> None:
    chosen = Settings()
    parts = (chosen.method, chosen.support, chosen.machine, chosen.work)
    names = [f.name for part in parts for f in dataclasses.fields(part)]
    assert len(names) == len(set(names))


CHANGED: dict[str, object] = {
    "estimator": "loo",
    "injection": "none",
    "answer": "generate",
    "prompt": "mmad",
    "rationale": True,
    "knowledge": "product",
    "templates": "similar",
    "shots": 0,
    "engine": "naive",
    "device": "cpu",
    "dtype": "bfloat16",
    "smtp_tls": "starttls",
    "notify": Path("elsewhere"),
    "dashboard_url": "https://inspection.example/workbench",
    "attention_layers": "2,4",
    "model": "elsewhere",
    "encoder": "elsewhere",
    "references": Path("elsewhere"),
    "questions": "inspection",
    "sidecar": Path("elsewhere"),
    "evidence": "texts,compare",
    "compare": "elsewhere",
    "compare_layers": "6,12",
    "compare_side": 448,
    "reference_choice": "likeness",
    "proposals": "both",
    "region_picture": True,
    "layouts": Path("elsewhere"),
    "views": Path("elsewhere"),
    "tiled_above": 1_000_000,
    "time_zone": "Europe/Berlin",
    "day_first": True,
    "data": Path("elsewhere"),
    "limit": 3,
    "sigma_decay": 0.5,
    "golden_tolerance": 0.5,
}


@pytest.mark.parametrize("name", sorted(Settings().values()))
def test_the_digest_changes_with_what_is_in_and_only_with_that(name: str) -> None:
    before = Settings().values()[name]
    value = CHANGED.get(name, before * 2 + 2 if isinstance(before, int | float) else None)
    changed = settings.load({name: value}).settings
    same = settings.digest(changed, FACTS) == settings.digest(Settings(), FACTS)
    assert same == (name in settings.OUT_OF_DIGEST)


def test_a_setting_is_the_same_from_text_as_from_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, object] = {
        name: CHANGED.get(name, before * 2 + 2 if isinstance(before, int | float) else 3)
        for name, before in Settings().values().items()
        if CHANGED.get(name) is not None or isinstance(before, int | float) or before is None
    } | {"metrics_file": Path("elsewhere"), "top_k": 5, "rationale": True, "golden_tolerance": 0.5, "sigma_decay": 0.5}
    texts = {"report_url", "report_email", "smtp"}
    values = {name: str(value) if name in texts else value for name, value in values.items()}
    for name, value in [*values.items(), ("shots", 1), ("top_k", "all"), ("rationale", False)]:
        written = str(value).lower() if isinstance(value, bool) else str(value)
        expected = settings.load({name: value}).settings.values()[name]
        assert settings.load({name: written}).settings.values()[name] == expected, name
        with monkeypatch.context() as environment:
            environment.setenv(f"WORKBENCH_{name.upper()}", f" {written}" if isinstance(value, int) else written)
            assert settings.load({}).settings.values()[name] == expected, name


NUMBERS = sorted(
    name
    for part in (Method, Support, Machine, Work, Operation)
    for name, hint in get_type_hints(part).items()
    if any(kind in (int, float) for kind in (hint, *get_args(hint)))
)


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_or_out_of_all_bounds_is_refused_by_every_setting(name: str, tmp_path: Path) -> None:
    assert len(NUMBERS) > 20
    for value in ("nan", "inf", "-inf", "1e999", "-1", "1e30", "9" * 40, "true", "none", "0x10"):
        with pytest.raises(SettingsError, match=name):
            settings.load({name: value})
    for number in (float("nan"), float("inf"), -1, 10**40, True):
        with pytest.raises(SettingsError, match=name):
            settings.load({name: number})
    (tmp_path / "workbench.toml").write_text(f"{name} = nan\n")
    with pytest.raises(SettingsError, match=name):
        settings.load({})


@pytest.mark.parametrize("part", [Method, Machine, Work, Operation])
def test_a_number_that_is_none_is_refused_however_the_settings_are_made(part: type) -> None:
    floats = [name for name, hint in get_type_hints(part).items() if float in (hint, *get_args(hint))]
    assert floats
    for name in floats:
        with pytest.raises(ValueError, match=name):
            part(**{name: float("nan")})


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Facts)])
def test_the_digest_changes_with_every_fact(name: str) -> None:
    change: dict[str, Any] = {name: "other"}
    other = dataclasses.replace(FACTS, **change)
    assert settings.digest(Settings(), FACTS) != settings.digest(Settings(), other)


def test_a_run_is_named_by_its_start_and_digest() -> None:
    started = datetime(2025, 1, 3, 22, 0, 5, 123_456, tzinfo=UTC)
    assert settings.run_id(started, "a1b2c3d4e5f60718") == "20250103T220005123Z-a1b2c3d4"
