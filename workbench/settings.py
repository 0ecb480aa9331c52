"""Everything that can be set, where each value came from, and the digest of what changes answers.

Defaults < a TOML file < environment (WORKBENCH_ITERATIONS=12) < flags (--iterations 12). A setting has one flat name in
all four. The method's own settings live in `workbench/model/method.py`, so that the model knows nothing of loading.

The digest answers one question: would two runs over the same plan give the same answers? Each setting is therefore in
IN_DIGEST or in OUT_OF_DIGEST with its reason. Where a setting is only a name for something (a model, a knowledge base),
what it names is hashed instead, in `Facts`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, ValidationError, create_model
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from warehouse import bounded, database, file_permissions
from workbench.errors import SettingsError
from workbench.model.method import MOST, Method, check_bounds

CONFIG_FILE = Path("workbench.toml")  # read from the current folder when there
PREFIX = "WORKBENCH_"

Knowledge = Literal["retrieved", "product", "none"]
TopK = int | Literal["all"]
Shots = Literal[0, 1]
TEXTS, COMPARE, SWAPPED = "texts", "compare", "swapped-compare"
OWN_TOWER = "own"  # the answering model's, see `workbench/scoring/own_tower.py`
DEFAULT_TOWER = "photos"  # that compares, see `workbench/comparison/vision_towers.py`
Templates = Literal["random", "similar"]
ReferenceChoice = Literal["likeness", "seed"]
LIKENESS: ReferenceChoice = "likeness"
Dtype = Literal["auto", "float32", "bfloat16"]
Engine = Literal["segments", "naive"]
Encryption = Literal["none", "starttls", "tls"]
_LAYERS = re.compile(r"\d+(,\d+)*")
_TOWER_LAYERS = re.compile(r"-?\d+(,-?\d+)*")
_DEVICES = re.compile(r"auto|all|(cpu|cuda(:\d+)?)(,(cpu|cuda(:\d+)?))*")


@dataclass(frozen=True, slots=True)
class Support:
    """What the model is shown beside the image and the question."""

    knowledge: Knowledge = "retrieved"  # `product` takes all texts of the archive's own product: an oracle
    top_k: TopK = 3  # texts per image under `retrieved`
    encoder: str | None = None  # retrieval's dual encoder; None: the embedded model's own, else SigLIP 2
    shots: Shots = 1  # normal reference images
    templates: Templates = "random"  # which of mmad.json's two lists of references
    references: Path | None = None  # a folder of normal images, where the archive names none
    # Of a product's normals where nobody names one; None: by likeness where `evidence` compares, else one by seed.
    reference_choice: ReferenceChoice | None = None
    # White in pictures deeper than 8 bit, such as 4095; None: chosen for each product and camera from a sample.
    integer_range: float | None = None
    float_range: float | None = None
    views: Path | None = None  # a TOML file with [[view]] rows; None: those of the settings file, if it has some
    evidence: str = TEXTS  # beside the reference: `texts`, `compare`, `texts,compare`, `none`
    compare: str = DEFAULT_TOWER  # tower that compares: a hub name, a folder, `photos`, `own`
    compare_side: int | None = None  # pixels of the square that pictures are compared at; None: 224
    compare_nearest: int | None = None  # normals that a picture is compared with; None: 4
    compare_tolerance: int | None = None  # patches that a part may lie away from its place; None: anywhere
    compare_layers: str | None = None  # of the tower, such as 6,12 or -1; None: the last

    def __post_init__(self) -> None:
        known = {TEXTS, COMPARE, SWAPPED}
        if self.evidence != "none" and (unknown := set(self.evidence.split(",")) - known):
            raise ValueError(f"evidence is {self.evidence}; there is no {min(unknown)!r}: give texts, compare or both")
        if self.compare_layers is not None and not _TOWER_LAYERS.fullmatch(self.compare_layers):
            raise ValueError(f"compare_layers is {self.compare_layers}; give numbers such as 6,12, or -1 for the last")
        check_bounds(self, compare_side=(28, 4096), compare_nearest=(1, 1000), compare_tolerance=(0, 1000))
        if self.top_k != "all" and not 1 <= self.top_k <= MOST:
            raise ValueError(f"top_k is {self.top_k}; it must be at least 1, or `all`")
        check_bounds(self, integer_range=(1, MOST), float_range=(1e-6, MOST))

    @property
    def shows(self) -> frozenset[str]:
        """The sources that questions are shown evidence of, beside the reference."""
        return frozenset(self.evidence.split(",")) - {"none"}


@dataclass(frozen=True, slots=True)
class Machine:
    """Which model answers, and on what."""

    model: str = "embedded"  # or a hub name, or a folder, or `compare`: no language model, normal pictures alone
    engine: Engine = "segments"  # `naive` runs the full prefix every time: the oracle, slow
    device: str = "auto"  # CUDA where there is one; `all`, or several (cuda:0,cuda:1): a process for each
    dtype: Dtype = "auto"  # bfloat16 for a real model on CUDA, else float32
    threads: int = 0  # of torch on the CPU; 0: one for the embedded model, else torch's own choice
    memory_gib: float | None = None  # of keys, values and features kept; None: 1 on a CPU, half of what a GPU has free
    input_processes: int | None = None  # that decode and resize; 0: a thread does; None: 0 on a CPU, up to 8 by a GPU
    attention_layers: str | None = None  # that score patches, such as 2,4; None: the checkpoint's own, else all
    max_image_tokens: int = 1280  # larger pictures are scaled down to so many visual tokens; 0: the model's own limit

    def __post_init__(self) -> None:
        check_bounds(
            self, threads=(0, 4096), max_image_tokens=(0, MOST), memory_gib=(0, MOST), input_processes=(0, 4096)
        )
        if not _DEVICES.fullmatch(self.device):
            raise ValueError(f"device is {self.device}; give auto, all, cpu, cuda, or names such as cuda:0,cuda:1")
        if self.attention_layers is not None and not _LAYERS.fullmatch(self.attention_layers):
            raise ValueError(f"attention_layers is {self.attention_layers}; give numbers from 0 on, such as 2,4")


@dataclass(frozen=True, slots=True)
class Work:
    """What is scored, in which pieces, and where it is remembered."""

    questions: str | None = None  # an mmad.json, or a set's name; None: mmad.json at the root, else inspection
    layouts: Path | None = None  # a TOML file with [[layout]] rows; None: those of the settings file, if it has some
    day_first: bool | None = None  # of the sidecar's dates such as 03.04.2026; None: they are told and not read
    time_zone: str = "UTC"  # of the sidecar's times that name none
    tiled_above: int | None = None  # pixels: a larger picture is inspected in tiles; None: those too large for one view
    sidecar: Path | None = None  # images.csv, images.jsonl or images.xlsx; None: the one at the root
    limit: int | None = None  # only so many questions (not images), a mixture of products and kinds
    data: Path = Path("data")  # warehouse, spool and caches
    # Answered together, stored together, done again together after a kill; None: 8 on a CPU, 32 on a GPU.
    block_images: int | None = None
    ingest_seconds: float = 3.0  # how often finished parts go into the warehouse

    def __post_init__(self) -> None:
        check_bounds(self, limit=(1, MOST), block_images=(1, MOST), ingest_seconds=(0, MOST))
        check_bounds(self, tiled_above=(2**16, 178_956_970))  # from there on Pillow itself gives up
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"time_zone is {self.time_zone!r}; it must be a name such as Europe/Berlin") from error


@dataclass(frozen=True, slots=True)
class Operation:
    """How nights are run, reported and tidied up after; None never removes, never sends."""

    settle_seconds: float = 60.0  # a file changed more recently may still be being written: it waits for the next pass
    baseline_nights: int = 40  # the nights that serve as reference until somebody accepts one
    false_alarm_percent: float = 5.0  # of ordinary nights, so many may have a report with any alarm
    golden_tolerance: float = 0.02  # largest change of an option's probability on a golden sample
    notify: Path | None = None  # a file of Apprise addresses, one a line: who is told in the morning; they hold tokens
    report_url: str | None = None  # the morning report is posted there as JSON
    report_email: str | None = None  # and sent there
    dashboard_url: str | None = None  # what people open the dashboard under: report, mail and messages link there
    smtp: str | None = None  # host:port of the mail server; None: localhost
    smtp_tls: Encryption = "none"  # port 25 unless named; `starttls` begins in the clear, 587; `tls` never does, 465
    keep_traces_days: float | None = None  # token entropies and proposed patches of older runs go; answers stay
    keep_traces_mib: float | None = None  # of the database's file: the oldest runs' traces go first
    keep_vectors_days: float | None = None  # vectors of images no newer run has scored
    keep_vectors_mib: float | None = None
    keep_thumbnails_days: float | None = None
    keep_thumbnails_mib: float | None = None
    fetched_gib: float | None = None  # disk that the copy of one archive in an object store may take
    keep_backups: int = 7  # copies that a night leaves in backups/
    metrics_file: Path | None = None  # Prometheus' textfile collector reads it

    def __post_init__(self) -> None:
        if not 0 < self.false_alarm_percent < 100:
            raise ValueError(f"false_alarm_percent is {self.false_alarm_percent}; it must lie between 0 and 100")
        if self.dashboard_url is not None and not self.dashboard_url.startswith(("http://", "https://")):
            raise ValueError(f"dashboard_url is {self.dashboard_url}; it begins with http:// or https://")
        check_bounds(self, baseline_nights=(1, MOST), keep_backups=(1, MOST), golden_tolerance=(0, 1))
        days = [each.name for each in dataclasses.fields(self) if each.name.endswith("_days")]
        sizes = [each.name for each in dataclasses.fields(self) if each.name.endswith("_mib")]
        check_bounds(self, fetched_gib=(0, MOST))
        check_bounds(self, **dict.fromkeys(days, (0, 36_500)), **dict.fromkeys((*sizes, "settle_seconds"), (0, MOST)))


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, one part per concern."""

    method: Method = field(default_factory=Method)
    support: Support = field(default_factory=Support)
    machine: Machine = field(default_factory=Machine)
    work: Work = field(default_factory=Work)
    operation: Operation = field(default_factory=Operation)

    def values(self) -> dict[str, object]:
        """Every setting by its flat name."""
        return self._of_a_run() | asdict(self.operation)

    def as_json(self) -> str:
        """What a run was made with as one JSON object: its record keeps it, without addresses a report is sent to."""
        return json.dumps(self._of_a_run(), default=str, sort_keys=True)

    def _of_a_run(self) -> dict[str, object]:
        parts = (self.method, self.support, self.machine, self.work)
        return {name: value for part in parts for name, value in asdict(part).items()}


@dataclass(frozen=True, slots=True)
class Facts:
    """What names stood for when a run began."""

    weights: str  # hash of the model's weights
    dtype: str
    prompt: str  # version of the prompt's wording
    questions: str  # hash of the question file, the question set's version, or both
    knowledge_version: str | None  # None when no knowledge is used
    encoder: str | None  # name and weights of retrieval's encoder; None unless `retrieved`
    sources: Mapping[str, str] | None = None  # versions of evidence sources; the knowledge's own follows from the above
    tones: Mapping[str, Any] | None = None  # the ranges of deep pictures, see `tone_range.Tones`; None: all have 8 bits
    views: Mapping[str, Any] | None = None  # regions of interest, see `run_views.py`; None: whole pictures
    settled: str | None = None  # hash of the settled cases that tell the kind of a defect; None: none do


_PROMPTED = {"knowledge", "top_k", "shots", "templates", "max_image_tokens"}
IN_DIGEST = frozenset(f.name for f in dataclasses.fields(Method)) | _PROMPTED | {"attention_layers"}
OUT_OF_DIGEST: Mapping[str, str] = {
    "encoder": "a name; its weights are among the facts",
    "references": "a path; the plan holds each reference's content",
    "reference_choice": "the plan holds each reference's content",
    "integer_range": "what it came to is among the facts",
    "float_range": "what it came to is among the facts",
    "views": "a path; what it says is among the facts",
    "evidence": "the sources at work are among the facts with their versions",
    **dict.fromkeys(
        ("compare", "compare_side", "compare_nearest", "compare_tolerance", "compare_layers"),
        "the tower, the normals and how they are compared are among the facts",
    ),
    "model": "a name; its weights are among the facts",
    "engine": "both engines give the same answers, floats within 1e-4",
    "device": "the same answers, floats within 1e-3; how many processes give them, and how large blocks are",
    "dtype": "may be `auto`; what it came to is among the facts",
    "threads": "the same answers, floats within 1e-4",
    "memory_gib": "the same answers, floats within 1e-4",
    "input_processes": "who opens pictures, not what is in them",
    "questions": "a path or a name; the file's hash and the set's version are among the facts",
    "layouts": "a path; what it says is in the plan",
    "day_first": "what it makes of times is in the plan",
    "time_zone": "what it makes of times is in the plan",
    "tiled_above": "what it makes of pictures is in the plan",
    "sidecar": "a path; what it says is in the plan",
    "limit": "cuts the plan, not the answers",
    "data": "a path",
    "block_images": "a batch size; the same answers, floats within 1e-4",
    "ingest_seconds": "when rows arrive, not what is in them",
    **dict.fromkeys((f.name for f in dataclasses.fields(Operation)), "how nights are run and reported"),
}


def digest(settings: Settings, facts: Facts) -> str:
    """Sixteen hex digits: equal for two runs whose answers must be equal over the same plan."""
    # What isn't set says nothing: a setting that is added later leaves the digests of older runs as they are.
    chosen = {name: value for name, value in settings.values().items() if name in IN_DIGEST and value is not None}
    later = ("tones", "sources", "views", "settled")
    known = {name: value for name, value in asdict(facts).items() if name not in later or value is not None}
    stated = json.dumps({"settings": chosen, "facts": known}, sort_keys=True)
    return hashlib.sha256(stated.encode()).hexdigest()[:16]


def run_id(started_at: datetime, digest: str) -> str:
    """Start time and digest, sortable and short: 20250103T220005123Z-a1b2c3d4."""
    return f"{started_at:%Y%m%dT%H%M%S}{started_at.microsecond // 1000:03d}Z-{digest[:8]}"


# -- loading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings and, for each by name, where its value came from."""

    settings: Settings
    origins: Mapping[str, str]  # "default", the TOML file, an environment variable or a flag

    def lines(self) -> Iterator[tuple[str, str | None, str]]:
        """(name, value as TOML, origin) of every setting, as `--show-config` prints them; None is not set."""
        for name, value in self.settings.values().items():
            written = value if value is None or isinstance(value, bool | int | float) else str(value)
            yield name, None if written is None else json.dumps(written, ensure_ascii=False), self.origins[name]


class _Loader(BaseSettings):
    """Checks values and knows the environment's names; the settings are added as its fields when loading."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", allow_inf_nan=False)


_PARTS: Mapping[str, type] = {
    "method": Method,
    "support": Support,
    "machine": Machine,
    "work": Work,
    "operation": Operation,
}


def load(flags: Mapping[str, object], config: Path | None = None, *, outside: bool = True) -> Loaded:
    """The settings from defaults, TOML, environment and flags, later ones winning.

    The sources are read one by one, so that each value's origin is known.

    Args:
        flags: by setting name; only those the user gave.
        config: a TOML file that must exist; None reads ./workbench.toml when there.
        outside: also from file and environment.

    Raises:
        SettingsError: an unknown name, or a value of the wrong kind or out of its range.
    """
    names = {part: [f.name for f in dataclasses.fields(cls)] for part, cls in _PARTS.items()}
    defaults = Settings().values()
    loader = _loader()
    file = config or (CONFIG_FILE if outside and CONFIG_FILE.is_file() else None)
    written = _read_toml(file) if file else {}
    exported = EnvSettingsSource(loader)() if outside else {}
    origins = (
        dict.fromkeys(defaults, "default")
        | dict.fromkeys(written, str(file))
        | {name: f"{PREFIX}{name.upper()}" for name in exported}
        | {name: f"--{name.replace('_', '-')}" for name in flags}
    )
    try:
        checked = loader(**{**written, **exported, **flags})
    except ValidationError as error:
        raise SettingsError(_in_words(error, origins, known=sorted(defaults))) from None
    try:
        parts = {part: cls(**{n: getattr(checked, n) for n in names[part]}) for part, cls in _PARTS.items()}
    except ValueError as error:
        blamed = (name for name, origin in origins.items() if origin != "default" and name in str(error))
        given = [f"{name} from {origins[name]}" for name in blamed]
        raise SettingsError(f"{error} ({', '.join(given)})") from None
    settings = Settings(**parts)
    _make_sure_of(settings.work.data)
    return Loaded(settings, origins)


def data_folder(flag: Path | None = None) -> Path:
    """The data folder of a command that has no other settings.

    Raises:
        SettingsError: it is no folder.
    """
    if flag is None:
        return load({}).settings.work.data
    _make_sure_of(flag)
    return flag


def _make_sure_of(data: Path) -> None:
    if data.exists() and not data.is_dir():
        raise SettingsError(f"the data folder {data} is a file; give a folder, it may be a new one")
    if (data / database.FILE).exists():
        file_permissions.tighten(data)  # an earlier release left it open


@functools.cache
def _loader() -> type[_Loader]:
    """The class with every setting as a field."""
    hints = {name: hint for part in _PARTS.values() for name, hint in get_type_hints(part).items()}
    fields = {name: (_reading(hints[name]), value) for name, value in Settings().values().items()}
    made: type[_Loader] = create_model("Loader", __base__=_Loader, **fields)  # type: ignore[call-overload]
    return made


def _reading(hint: object) -> object:
    """The hint, read alike from text and from a TOML value: the environment and `--set` have nothing but text."""
    wanted = {kind for each in (get_args(hint) or (hint,)) for kind in (get_args(each) or (each,))}

    def read(value: object) -> object:
        if isinstance(value, bool) and bool not in wanted and not any(isinstance(each, bool) for each in wanted):
            raise ValueError("it isn't true or false")  # which pydantic takes for 1 or 0
        if isinstance(value, str):
            bounded.line(value)
        if isinstance(value, str) and str not in wanted:
            value = value.strip()
            numbers = {str(each): each for each in wanted if isinstance(each, int)}  # of a Literal
            return numbers.get(value, value)
        return value

    return Annotated[hint, BeforeValidator(read)]


def _read_toml(file: Path) -> dict[str, object]:
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
        for rows, name in (("layout", "layouts"), ("view", "views")):  # tables that the archive room reads
            if written.pop(rows, None) is not None:
                written.setdefault(name, str(file))
        return written
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {os.strerror(error.errno or 0)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None


def _in_words(error: ValidationError, origins: Mapping[str, str], known: list[str]) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    origin = origins[name]
    if first["type"] == "extra_forbidden":
        place = "--set" if origin.startswith("--") else origin  # no flag has the name of an unknown setting
        return f"unknown setting {name!r} in {place}; the settings are {', '.join(known)}"
    return f"{name} is {first['input']!r} (from {origin}): {first['msg'][0].lower()}{first['msg'][1:]}"
