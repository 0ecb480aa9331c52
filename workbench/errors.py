"""Everything of ours that can be raised: one tree, and the exit code that a command ends with.

    WorkbenchError                   2: wrong use, unless another code stands below
    ├── WarehouseError               in `warehouse/errors.py`, which imports nothing of ours
    │   ├── Locked                   75: another process held the warehouse for too long
    │   ├── DiskFull                 1: nothing was stored, nothing half-stored is left
    │   ├── BrokenWarehouse          the database's file is damaged, isn't one, or may not be opened
    │   ├── BrokenIndex              the vectors' files can't be used; they can be made anew
    │   ├── NewerWarehouse           the database was made by a newer version of this program
    │   ├── MalformedPart            a spool part can't be read or doesn't fit the tables
    │   └── Refused                  the tables don't accept a row: a constraint, or a name that isn't there
    ├── SettingsError                a setting is unknown, malformed or out of range
    ├── BackboneError                a model can't be loaded or used
    ├── CheckpointError              the embedded checkpoint can't be used
    ├── EncoderError                 retrieval's encoder can't be loaded
    ├── ArchiveError                 the folder or its sidecar can't be used at all
    ├── NothingNew                   0: the chosen part of an archive has nothing to score
    ├── QuestionsError               the question file can't be used at all
    ├── AnswersError                 the answer file can't be used at all
    ├── KnowledgeError               the knowledge file can't be used
    ├── AlreadyRunning               75: another process or thread coordinates this very run
    ├── DeviceLost                   1: the GPU stopped answering; what is stored is safe
    ├── OutOfMemory                  1: the device has no room for these cases, however little is kept on it
    ├── UnreadableImage              1: one image can't be opened: a stored failure, the rest goes on
    │   └── ReplacedImage            the file holds other bytes than those that were scanned
    ├── UnknownRun                   there is no such run, or its images are gone
    ├── Unfinished                   1: an arm of an experiment was stopped; what is done stays
    ├── CannotReplay                 the run can't be asked again as it was
    ├── CannotPublish                the revision may not go live as it is
    ├── CannotTest                   the draft can't be tested
    ├── ReviewError                  1: a dispute, case or verdict isn't there, or doesn't allow what was asked for
    │   ├── ServerUnreachable        Label Studio is down, too slow or failing; everything can be tried again
    │   │   └── BrokenAnswer         it answers, but fails over this one question
    │   ├── ServerRefused            Label Studio said no: the token, a deleted project, a setting
    │   └── Malformed                an annotation can't be read as a verdict; it goes to quarantine
    └── NightError                   1: a step of a night failed
        ├── ScheduleError            2: a schedule can't be worked with
        ├── NightsBusy               75: another process works through the nights of this data folder
        ├── BackupError              2: a backup can't be made or restored
        └── Skip                     0: there is nothing for a step to do

What is raised and caught within one module is private to it and descends from the root too. `jobs/__main__.py` maps an
error to an exit code by `exit_code` alone. Beyond the root of all errors, this module imports nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from warehouse.errors import FAILED, TRY_LATER, WRONG_USE, WorkbenchError
from warehouse.failures import REPLACED, FailureKind
from warehouse.failures import Failure as Failure

if TYPE_CHECKING:
    from warehouse.records.scoring import PassedOver

# What a change may end with where a person reads the reason: a busy warehouse and a full disk among them.
REFUSALS = (WorkbenchError, OSError)


class SettingsError(WorkbenchError, ValueError):
    """A setting is unknown, malformed or out of range: the message names it and where it was set."""


class BackboneError(WorkbenchError):
    """A model that can't be loaded or used; the message says what to give instead."""


class CheckpointError(WorkbenchError):
    """The embedded checkpoint can't be used; the message says which file and what to do."""


class EncoderError(WorkbenchError):
    """Retrieval's encoder can't be loaded; the message says what else could be used."""


class ArchiveError(WorkbenchError):
    """The archive folder or its sidecar can't be used at all."""


class NothingNew(WorkbenchError):
    """The chosen part of an archive has nothing to score; nothing is wrong."""

    exit_code = 0

    def __init__(self, text: str, waiting: int = 0, passed_over: Sequence[PassedOver] = ()) -> None:
        """`waiting` files may still be being written; `passed_over` is what the archive holds and nothing uses."""
        super().__init__(text)
        self.waiting, self.passed_over = waiting, tuple(passed_over)


class QuestionsError(WorkbenchError):
    """The question file can't be used at all."""


class AnswersError(WorkbenchError):
    """The answer file can't be used at all."""


class KnowledgeError(WorkbenchError):
    """The knowledge file can't be used; the message says where it is wrong."""


class AlreadyRunning(WorkbenchError):
    """Another process or thread coordinates a run of this digest and plan."""

    exit_code = TRY_LATER


class DeviceLost(WorkbenchError):
    """The GPU stopped answering; the run can only go on in a new process."""

    exit_code = FAILED


class OutOfMemory(WorkbenchError):
    """The device has no room for these cases, however little is kept on it."""

    exit_code = FAILED


class UnreadableImage(WorkbenchError):
    """One image can't be opened: a kind of failure and its reason in words, without the path."""

    exit_code = FAILED

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(text)
        self.failure = Failure(kind, text)

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[FailureKind, str] | tuple[()]]:
        return type(self), (self.failure.kind, self.failure.text)  # it crosses processes

    @classmethod
    def of(cls, failure: Failure) -> UnreadableImage:
        """The error that says so."""
        return cls(failure.kind, failure.text)


class ReplacedImage(UnreadableImage):
    """The file holds other bytes than those that were scanned: another picture, scored by another night."""

    def __init__(self) -> None:
        super().__init__(REPLACED.kind, REPLACED.text)

    def __reduce__(self) -> tuple[type[ReplacedImage], tuple[()]]:
        return type(self), ()


class UnknownRun(WorkbenchError):
    """There is no such run, or no registered archive holds its images."""


class Unfinished(WorkbenchError):
    """An arm of an experiment was stopped; what is done stays."""

    exit_code = FAILED


class CannotReplay(WorkbenchError):
    """The run can't be asked again as it was: the message says what is missing."""


class CannotPublish(WorkbenchError):
    """The revision may not go live as it is: the message says what is missing."""


class CannotTest(WorkbenchError):
    """The draft can't be tested: the message says why and what to do."""


class ReviewError(WorkbenchError):
    """A dispute, a case or a verdict isn't there, or doesn't allow what was asked for."""

    exit_code = FAILED


class ServerUnreachable(ReviewError):
    """Label Studio is down, too slow or failing."""


class BrokenAnswer(ServerUnreachable):
    """Label Studio fails over this one question, or its answer can't be read."""


class ServerRefused(ReviewError):
    """Label Studio said no; the message says what to do."""


class Malformed(ReviewError):
    """An annotation that can't be read as a verdict."""


class NightError(WorkbenchError):
    """A step of a night failed."""

    exit_code = FAILED


class ScheduleError(NightError):
    """A schedule's expression, zone, window, archive or settings can't be used."""

    exit_code = WRONG_USE


class NightsBusy(NightError):
    """Another process works through the nights of this data folder; nothing is wrong."""

    exit_code = TRY_LATER


class BackupError(NightError):
    """A backup can't be made or restored; the message says why, and what is left as it was."""

    exit_code = WRONG_USE


class Skip(NightError):
    """There is nothing for a step to do; the text says why."""

    exit_code = 0
