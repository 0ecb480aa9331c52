"""The shape of everything stored: one frozen class per table, every column with its unit and meaning.

The DuckDB tables, the spool's parts and the Arrow schemas are derived from these classes (`schema.py`), so a column is
declared here and nowhere else; a change to a stored class needs a step in `migrations.py`. Times are UTC with zone;
floats are unrounded; probabilities lie in 0..1; entropies and rewards are in nats. This module
imports the kinds of failures, what question sets declare, and nothing else of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from warehouse.failures import FailureKind
from warehouse.records.questions import Subtask

Vector = Annotated[tuple[float, ...], "float32"]
HalfVector = Annotated[tuple[float, ...], "float16"]
RunState = Literal["running", "finished", "stopped", "failed", "cancelled"]
RunPurpose = Literal["score", "night", "rescore", "golden", "gate", "ablation", "stress", "explain", "import"]
PredictionStatus = Literal["answered", "invalid", "failed"]
Unit = Literal[
    "file", "folder", "link", "mask", "sheet", "row", "field", "column", "key", "record", "question", "remark"
]
OptionClaim = Literal["defective", "good", "cannot say", "unknown"]
DescriptionState = Literal["draft", "testing", "published", "retired"]


@dataclass(frozen=True, slots=True)
class Archive:
    """A registered folder of images. Only files below a registered root are ever shown by the dashboard."""

    archive_id: str  # hash of the resolved root
    root: str  # absolute path
    name: str  # last part of the root, for people
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a picture that is too large to be inspected at once, in pixels of the whole upright picture."""

    content: str  # SHA-256 of the whole file's bytes, hex
    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One (archive, path, content): what predictions belong to."""

    image_id: str  # hash of archive, path and content
    archive_id: str
    path: str  # relative to the archive's root, with forward slashes
    content: str  # SHA-256 of the file's bytes, hex; the image's identity; a tile's: of them and where it lies
    size: int  # bytes; with mtime_ns, ctime_ns and inode tells an unchanged file, which is not hashed again
    mtime_ns: int
    dataset: str
    product: str
    label: str | None  # "good" or "defective"; None when the archive doesn't say
    defect: str | None  # the defect type's name; None for good or unknown
    mask_path: str | None  # relative to the archive's root
    reference_path: str | None  # the sidecar's normal image, relative to the root
    line: str | None
    camera: str | None
    captured_at: datetime | None
    seen_at: datetime
    ctime_ns: int | None = None  # when the file's bytes, times, name or rights last changed; None: not known
    inode: int | None = None
    serial: str | None = None  # of the piece that it shows, as the sidecar names it
    lot: str | None = None  # the delivery that the piece came with
    tile: Tile | None = None  # None: all of its file

    @property
    def file_content(self) -> str:
        """SHA-256 of the file's bytes, hex."""
        return self.tile.content if self.tile else self.content


@dataclass(frozen=True, slots=True)
class Run:
    """One pass of one model with one set of settings over one plan."""

    run_id: str  # start time + digest: 20250103T220005123Z-a1b2c3d4
    digest: str  # hash of everything that changes answers
    plan: str  # hash of the planned (image, question) pairs in their blocks
    archive_id: str
    model: str  # as named by the user: "embedded", a hub name, a folder
    demo: bool  # answered by the embedded demo model: said wherever its numbers are shown
    settings: str  # JSON of all settings, digest or not
    knowledge_version: str | None
    started_at: datetime
    finished_at: datetime | None
    state: RunState
    message: str | None  # why it stopped or failed, in words
    planned: int  # questions, as are the next three
    answered: int
    invalid: int
    failed: int
    host: str
    device: str
    versions: str  # JSON: python, torch, transformers, duckdb, workbench
    timings: Timings
    evaluator: str  # what answered: "segments", "naive", "answer file"
    evaluator_version: str  # hash of what answered: the weights, the answer file; "" where an old run doesn't say
    capabilities: Capabilities
    question_set: str  # its name
    subtasks: tuple[Subtask, ...]  # as the set declared them, in its order
    embedding_scale: float | None = None  # rms of the model's embeddings, the unit of noise and steps; None: not stored
    purpose: RunPurpose = "score"  # what it was opened for
    passed_over: tuple[PassedOver, ...] | None = None  # of its archive and questions; None: an older run doesn't say


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What an archive or its questions hold and a run didn't use, of one kind, and why."""

    unit: Unit  # what is counted; a remark tells of something that was used
    count: int
    reason: str  # of the first of them
    example: str  # the path of the first, or the file and the place in it


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an evaluator's answers may carry beside the answer itself. False: no answer of the run carries it."""

    probabilities: bool  # of each option
    attention: bool  # patches of the picture that it looked at
    latents: bool  # the course of its think tokens: entropy and reward per iteration
    text: bool  # its own words


@dataclass(frozen=True, slots=True)
class Timings:
    """Where a run's time went, in seconds, summed over its processes."""

    load: float
    vision: float
    prefill: float
    loop: float
    answer: float
    write: float


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a question."""

    letter: str  # A, B, C, ... in order
    text: str


@dataclass(frozen=True, slots=True)
class RetrievedDescription:
    """A knowledge text that stood in a question's prompt."""

    description_id: str  # dataset/product/entry
    revision: int
    rank: int  # from 1
    score: float | None  # cosine of image and text vector; None when taken by product
    dataset: str  # as are the next two, of the description: what its id is put together from
    product: str
    entry: str


@dataclass(frozen=True, slots=True)
class Region:
    """A box in the original image's pixels."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an evidence source showed a question, see `workbench/scoring/evidence.py`."""

    source: str  # its name
    version: str  # its version
    words: str  # as the prompt had them; "" where it has none
    regions: tuple[Region, ...]
    score: float | None  # the source's own measure; None where it has none


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question about one image, answered or failed, with the whole trace."""

    run_id: str
    block: int
    image_id: str
    image_path: str
    content: str
    dataset: str
    product: str
    label: str | None
    defect: str | None
    line: str | None
    camera: str | None
    captured_at: datetime | None
    question_id: str  # hash of subtask, question, ordered options: what is asked, see `identity.py`
    subtask: str
    question: str
    options: tuple[Option, ...]
    conditional: bool  # only meaningful if the image has a defect (inspection protocol)
    reference_path: str | None  # relative to the archive's root, or absolute for --references
    answer: str | None  # letter; the text itself for open questions; None when failed
    correct_answer: str | None  # letter; None without a label
    status: PredictionStatus
    error: str | None  # why it failed, in words; decides nothing
    initial_option_probabilities: dict[str, float]  # letter -> probability at iteration 0
    option_probabilities: dict[str, float]  # letter -> probability from the best state
    entropy: tuple[float, ...]  # nats, mean over latents, one per iteration from 0
    token_entropy: tuple[tuple[float, ...], ...]  # nats, per iteration, per latent
    reward: tuple[float, ...]  # nats, 1 - entropy of the iteration's winner
    best_iteration: int | None
    descriptions: tuple[RetrievedDescription, ...]
    knowledge_dropped: int  # retrieved descriptions left out because the context was full
    knowledge_cut: bool  # the last kept description was cut at a sentence
    raw_text: str | None  # what `generate` wrote
    rationale: str | None
    seconds: float  # this question's share of its block
    created_at: datetime
    claims: tuple[OptionClaim, ...] | None = None  # of a detection question's options, in order, see `claims.py`
    evidence_id: str | None = None  # hash of what it was shown, see `identity.py`; None: nobody knows, as of imports
    oddity: str | None = None  # what is odd about the picture, such as "one colour"; None also in older rows
    failure: FailureKind | None = None  # of failed ones, see `failures.py`; None of all others
    no_defect: tuple[str, ...] | None = None  # letters of the options that deny a defect; None: a detection question
    evidence: tuple[Evidence, ...] | None = None  # of sources other than the knowledge, best first; None: nothing
    cluster_id: str | None = None  # see `identity.cluster_id`; None in older rows: the content
    lot: str | None = None  # of the picture's entry


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch proposed at an iteration of one question's loop."""

    run_id: str
    block: int
    image_id: str
    question_id: str
    iteration: int  # from 1
    row: int  # in the model's patch grid
    col: int
    x0: float  # box in the original image's pixels
    y0: float
    x1: float
    y1: float
    score: float  # the proposing latent's attention, 0..1
    accepted: bool


@dataclass(frozen=True, slots=True)
class Grounding:
    """Whether what an answer points at lies on the defect, beside what chance would give.

    One row per question about a defect of a picture with a mask, or with boxes that people drew where it has no mask.
    """

    run_id: str
    image_id: str
    question_id: str
    patches_hit: bool | None  # an accepted patch touches the defect; None: the evaluator shows no patches
    patches_chance: float | None  # 0..1, that one of as many random patches of the picture's grid would
    region_hit: bool | None  # the region that the run names for this picture does; None: not asked, or asked by this
    region_chance: float | None  # 0..1, share of that question's options whose region does
    changed: bool | None = None  # painting out what it points at changes the answer; None: see `workbench explain`
    changed_elsewhere: bool | None = None  # painting out as much elsewhere in the picture does


@dataclass(frozen=True, slots=True)
class FormerQuestion:
    """What a question was called up to version 4, when its identity held the reference; old addresses name it so."""

    former_id: str
    question_id: str


@dataclass(frozen=True, slots=True)
class IngestedPart:
    """A block whose rows are in the warehouse: the ledger that makes ingest exactly-once."""

    run_id: str
    block: int
    predictions: int  # rows
    patches: int  # rows
    ingested_at: datetime


@dataclass(frozen=True, slots=True)
class Description:
    """One revision of a knowledge text. Rows are only added."""

    description_id: str  # dataset/product/entry
    revision: int  # from 1
    dataset: str
    product: str
    entry: str
    text: str
    state: DescriptionState
    author: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KnowledgeMember:
    """A revision that belongs to a published set."""

    description_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class KnowledgeVersion:
    """The published set at one moment; the newest row is the published pointer."""

    version: str  # hash of its members and their texts, and of its normals where it has some
    members: tuple[KnowledgeMember, ...]
    published_at: datetime
    normals: tuple[int, ...] = ()  # numbers, ascending


@dataclass(frozen=True, slots=True)
class ImageVector:
    """An encoded image in the retrieval space, one per content and encoder."""

    content: str
    encoder: str  # name and weights revision
    vector: Vector  # unit norm


@dataclass(frozen=True, slots=True)
class PatchVector:
    """The true visual feature of an accepted patch, one per content, encoder and patch."""

    content: str
    encoder: str
    row: int
    col: int
    vector: HalfVector


@dataclass(frozen=True, slots=True)
class TextVector:
    """An encoded stretch of a knowledge text: as many per description revision and encoder as it reads the text in."""

    description_id: str
    revision: int
    encoder: str
    vector: Vector  # unit norm
    window: int = 0  # which stretch, from 0
    windows: int = 1  # of the whole text
