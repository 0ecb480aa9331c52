"""The knowledge base's statements: revisions and where each stands, the published sets, tests of drafts, measured lift.

Every change is one transaction that writes all it means: the revision, where it stands, the published set, and a line
of history with author and reason. So a kill leaves the state before or the state after, never one between, and two
curators at once get one after the other. Revisions, sets, attempts and results are only ever added: what a run read can
be read again, and rolling back is publishing an earlier set's very members.

`descriptions.state` says where a revision stands now; `knowledge_changes` how it came there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import names, schema
from warehouse.audit import Change, Flow
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.queries import publishing
from warehouse.queries.facts import CLUSTER
from warehouse.queries.publishing import Passed
from warehouse.queries.truth import PREDICTIONS
from warehouse.records.audit import Actor
from warehouse.records.curation import GateAttempt, GateResult, KnowledgeChange, KnowledgeTrial, Lift, Sentence
from warehouse.records.scoring import Description, DescriptionState, KnowledgeMember, KnowledgeVersion

if TYPE_CHECKING:
    import polars as pl

Place = tuple[str, str, str]  # dataset, product, entry


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import did."""

    version: str | None  # published now
    published: int  # texts in it
    added: int
    changed: int
    unchanged: int
    withdrawn: int  # entries of the file's data sets that it no longer has


class Curation:
    """The knowledge base of one data folder. Cheap to make, safe to share between threads."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    # Reading.

    def published(self) -> tuple[KnowledgeVersion | None, list[Description]]:
        """The published set and its descriptions by id, from one moment."""
        with self._database.reading() as con:
            newest = publishing.newest(con)
            return newest, publishing.members_of(con, publishing.as_map(newest)) if newest else []

    def revisions(self, description_id: str) -> list[Description]:
        """Every revision, oldest first."""
        return self._database.records(
            Description, "SELECT * FROM descriptions WHERE description_id = ? ORDER BY revision", [description_id]
        )

    def revision(self, description_id: str, revision: int) -> Description:
        """One revision.

        Raises:
            Refused: there is none.
        """
        found = [each for each in self.revisions(description_id) if each.revision == revision]
        if not found:
            raise Refused(f"{description_id} has no revision {revision}; see `workbench knowledge history`")
        return found[0]

    def in_state(self, *states: DescriptionState) -> list[Description]:
        """Revisions that stand there now, newest first."""
        return self._database.records(
            Description,
            "SELECT * FROM descriptions WHERE list_contains(?, state) "
            "ORDER BY created_at DESC, description_id, revision",
            [list(states)],
        )

    def products(self) -> pl.DataFrame:
        """Products with their counts of descriptions and of drafts and tests waiting; those with waiting ones first."""
        return self._database.frame(
            "SELECT dataset, product, count(DISTINCT description_id) AS descriptions, "
            "count(*) FILTER (state = 'published') AS published, "
            "count(*) FILTER (state IN ('draft', 'testing')) AS waiting "
            "FROM descriptions GROUP BY dataset, product ORDER BY waiting > 0 DESC, dataset, product"
        )

    def of_product(self, dataset: str, product: str) -> list[Description]:
        """Every revision of a product's descriptions, by id and revision."""
        return self._database.records(
            Description,
            "SELECT * FROM descriptions WHERE dataset = ? AND product = ? ORDER BY description_id, revision",
            [dataset, product],
        )

    def texts(self, keys: Iterable[tuple[str, int]]) -> tuple[list[Description], int]:
        """These revisions, by id and revision; and how many revisions there are in all, from the same moment.

        That number grows with every revision, so it dates what was derived from them.
        """
        wanted = [KnowledgeMember(*key) for key in keys]
        with self._database.reading() as con:
            con.register("wanted", schema.table(KnowledgeMember, wanted))
            found = con.sql("SELECT d.* FROM descriptions AS d SEMI JOIN wanted USING (description_id, revision)").pl()
            ((stored,),) = con.execute("SELECT count(*) FROM descriptions").fetchall()
            return schema.records(Description, found.sort("description_id", "revision")), int(stored)

    def every_revision(self) -> list[Description]:
        """All revisions of all descriptions, by id and revision."""
        return self._database.records(Description, "SELECT * FROM descriptions ORDER BY description_id, revision")

    def versions(self) -> list[KnowledgeVersion]:
        """The published sets, newest first."""
        return self._database.records(KnowledgeVersion, "SELECT * FROM knowledge_versions ORDER BY published_at DESC")

    def version_names(self, limit: int) -> pl.DataFrame:
        """version and published_at, newest first; without the members, which may be very many."""
        return self._database.frame(
            f"SELECT version, published_at FROM knowledge_versions ORDER BY published_at DESC LIMIT {limit:d}"
        )

    def changes(self, description_id: str | None = None, limit: int = 1000) -> list[KnowledgeChange]:
        """History, newest first; of one description or of all."""
        return self._database.records(
            KnowledgeChange,
            "SELECT * FROM knowledge_changes WHERE description_id = coalesce(?, description_id) "
            f"ORDER BY number DESC LIMIT {limit:d}",
            [description_id],
        )

    def sentences(self, description_id: str, revision: int | None = None) -> list[Sentence]:
        """Where a revision's sentences come from; of all revisions when none is named."""
        return self._database.records(
            Sentence,
            "SELECT * FROM knowledge_sentences WHERE description_id = ? AND revision = coalesce(?, revision) "
            "ORDER BY revision, place, verdict_id",
            [description_id, revision],
        )

    def attempts(self, budget: str | None = None) -> list[GateAttempt]:
        """Tests that were opened, oldest first."""
        return self._database.records(
            GateAttempt,
            "SELECT * FROM gate_attempts WHERE budget = coalesce(?, budget) ORDER BY opened_at, description_id",
            [budget],
        )

    def attempt(self, description_id: str, revision: int) -> GateAttempt | None:
        """The revision's test, if one was opened."""
        found = self._database.records(
            GateAttempt,
            "SELECT * FROM gate_attempts WHERE description_id = ? AND revision = ?",
            [description_id, revision],
        )
        return found[0] if found else None

    def results(self, budget: str | None = None) -> list[GateResult]:
        """What tests came to, oldest first."""
        return self._database.records(
            GateResult,
            "SELECT r.* FROM gate_results AS r JOIN gate_attempts AS a USING (description_id, revision) "
            "WHERE a.budget = coalesce(?, a.budget) ORDER BY r.closed_at",
            [budget],
        )

    def result(self, description_id: str, revision: int) -> GateResult | None:
        """What the revision's test came to, if it ended."""
        found = self._database.records(
            GateResult,
            "SELECT * FROM gate_results WHERE description_id = ? AND revision = ?",
            [description_id, revision],
        )
        return found[0] if found else None

    def lifts(self, dataset: str | None = None, product: str | None = None) -> pl.DataFrame:
        """Measured lift, newest first: the columns of `Lift`; dataset, product and entry; when its run started."""
        return self._database.frame(
            "SELECT l.*, d.dataset, d.product, d.entry, r.started_at FROM knowledge_lifts AS l "
            "JOIN descriptions AS d USING (description_id, revision) LEFT JOIN runs AS r USING (run_id) "
            "WHERE d.dataset = coalesce(?, d.dataset) AND d.product = coalesce(?, d.product) "
            "ORDER BY l.measured_at DESC, l.description_id",
            [dataset, product],
        )

    def texts_shown(self, run_id: str) -> pl.DataFrame:
        """Which texts stood in which images' prompts: description_id, and the image's id, product, label, defect."""
        return self._database.frame(
            "SELECT DISTINCT image_id, product, label, defect, unnest(descriptions, recursive := true) "
            "FROM predictions WHERE run_id = ?",
            [run_id],
        ).select("description_id", "image_id", "product", "label", "defect")

    def images(self, run_id: str) -> pl.DataFrame:
        """The images of a run that could be opened, by path: what they are, their questions and seconds."""
        return self._database.frame(
            "SELECT image_id, any_value(image_path) AS path, any_value(content) AS content, "
            "any_value(coalesce(cluster_id, content)) AS cluster_id, "
            "any_value(dataset) AS dataset, any_value(product) AS product, any_value(label) AS label, "
            "any_value(defect) AS defect, any_value(camera) AS camera, count(*) AS questions, "
            "count(correct_answer) AS labelled, sum(seconds) AS seconds "
            "FROM predictions WHERE run_id = ? AND status <> 'failed' GROUP BY image_id ORDER BY path, image_id",
            [run_id],
        )

    def block(self, run_id: str, image_id: str) -> pl.DataFrame:
        """All predictions of the block that an image was scored in, in the block's order."""
        return self._database.frame(
            "SELECT * FROM predictions WHERE run_id = ? AND block = "
            "(SELECT min(block) FROM predictions WHERE run_id = ? AND image_id = ?) ORDER BY rowid",
            [run_id, run_id, image_id],
        )

    def predictions_of(self, run_id: str, images: Iterable[str]) -> pl.DataFrame:
        """All predictions of some images of a run, in the plan's order."""
        return self._database.frame(
            "SELECT * FROM predictions WHERE run_id = ? AND list_contains(?, image_id) ORDER BY block, rowid",
            [run_id, list(images)],
        )

    def truths(self, run_id: str, images: Iterable[str]) -> pl.DataFrame:
        """What is right of these images' questions under the truth `reviewed`: image_id, question_id, cluster_id,
        truth.

        Truth is a letter, or `NONE_OF_THESE`; a case of which nobody knows it has no row.
        """
        return self._database.frame(
            f"SELECT image_id, question_id, {CLUSTER}, correct_answer AS truth FROM {PREDICTIONS['reviewed']} "
            "WHERE run_id = ? AND list_contains(?, image_id) AND correct_answer IS NOT NULL",
            [run_id, list(images)],
        )

    # Changing.

    def draft(
        self, place: Place, text: str, reason: str, sentences: Sequence[Sentence] = (), *, actor: Actor
    ) -> Description:
        """The text as the next revision of its description; `sentences` get its id and number."""
        key, author = names.join(place), actor.name
        with self._database.changing(actor, "draft text", key) as change:
            con, revision = change.con, publishing.next_revision(change.con, key)
            change.details.update(revision=revision, reason=reason)
            made = Description(key, revision, *place, text, "draft", author, reason, datetime.now(UTC))
            insert(con, "descriptions", schema.table(Description, [made]))
            known = [replace(each, description_id=made.description_id, revision=revision) for each in sentences]
            insert(con, "knowledge_sentences", schema.table(Sentence, known))
            publishing.note(con, [(made.description_id, revision)], "draft", None, author, reason)
        return made

    def take(
        self, texts: Mapping[Place, str], reason: str, publish: bool = True, whole: bool = True, *, actor: Actor
    ) -> Taken:
        """Texts from a file, in one transaction: new and changed ones as revisions, published or as drafts.

        Args:
            whole: the file is all there is of the data sets it names: what it no longer has leaves the published set.
        """
        with self._database.changing(actor, "import texts", "knowledge base") as change:
            con, author = change.con, actor.name
            now, newest = datetime.now(UTC), publishing.newest(con)
            before = publishing.as_map(newest)
            members = publishing.members_of(con, before)
            texts_now = {d.description_id: d.text for d in members}
            latest = {row[0]: row[1:] for row in con.execute(
                "SELECT description_id, revision, text, state FROM descriptions "
                "QUALIFY row_number() OVER (PARTITION BY description_id ORDER BY revision DESC) = 1"
            ).fetchall()}  # fmt: skip
            after: dict[str, int] = {}
            made: list[Description] = []
            for place, text in sorted(texts.items()):
                key = names.join(place)
                revision, newest_text, state = latest.get(key, (0, None, None))
                if texts_now.get(key) == text:
                    after[key] = before[key]
                elif newest_text == text and (not publish or state == "retired"):
                    after[key] = revision  # it stands there already
                else:
                    stands: DescriptionState = "published" if publish else "draft"
                    made.append(Description(key, revision + 1, *place, text, stands, author, reason, now))
                    after[key] = revision + 1
            insert(con, "descriptions", schema.table(Description, made))
            datasets = {dataset for dataset, _, _ in texts}
            replaced = {d.description_id for d in members if whole and publish and d.dataset in datasets}
            gone = replaced - after.keys()
            if publish:
                kept = {key: revision for key, revision in before.items() if key not in gone}
                newest = publishing.publish(con, kept | after, author, reason)
            else:
                publishing.note(con, [(d.description_id, d.revision) for d in made], "draft", None, author, reason)
            added = sum(d.revision == 1 for d in made)
            change.details.update(
                reason=reason, version=newest.version if newest else None, published=publish, added=added,
                changed=len(made) - added, withdrawn=len(gone),
            )  # fmt: skip
            change.happened = bool(made or gone or publishing.as_map(newest) != before)
            return Taken(
                version=newest.version if newest else None,
                published=len(newest.members) if newest else 0,
                added=added,
                changed=len(made) - added,
                unchanged=len(texts) - len(made),
                withdrawn=len(gone),
            )

    def publish(
        self, description_id: str, revision: int, reason: str, passed: Passed | None = None, *, actor: Actor
    ) -> KnowledgeVersion:
        """The published set with this revision in its description's place.

        Args:
            passed: the test that lets it through, if one does: it says nothing once another text is live. All drafts
                that a test over nights has found better together go live together.

        Raises:
            Refused: there is no such revision, or another than the one it was tested against is live by now.
        """
        with self._database.changing(actor, "publish text", description_id) as change:
            members = publishing.as_map(publishing.newest(change.con))
            drafts = publishing.going_live(members, description_id, revision, passed)
            change.happened = any(members.get(key) != number for key, number in drafts.items())
            return _publish(change, members | drafts, reason, revision=revision)

    def retire(self, description_id: str, revision: int, reason: str, *, actor: Actor) -> KnowledgeVersion | None:
        """The published set without this revision, if it was there; a draft is put aside.

        Raises:
            Refused: there is no such revision, or it is retired already.
        """
        with self._database.changing(actor, "retire text", description_id) as change:
            con, newest = change.con, publishing.newest(change.con)
            members = publishing.as_map(newest)
            if members.get(description_id) != revision:
                if con.execute(
                    "SELECT 1 FROM descriptions WHERE description_id = ? AND revision = ? AND state = 'retired'",
                    [description_id, revision],
                ).fetchall():
                    live = members.get(description_id)
                    also = f"; revision {live} is published" if live else ""
                    raise Refused(f"{description_id} revision {revision} is retired already{also}")
                publishing.stand(con, description_id, revision, "retired", actor.name, reason)
                change.details.update(revision=revision, reason=reason)
                return newest
            del members[description_id]
            return _publish(change, members, reason, revision=revision)

    def rollback(self, version: str, reason: str, *, actor: Actor) -> KnowledgeVersion:
        """An earlier published set's very members and normals, published again; see `publishing.earlier`.

        Raises:
            Refused: no set of that name was ever published.
        """
        with self._database.changing(actor, "roll back knowledge", version) as change:
            con, newest = change.con, publishing.newest(change.con)
            earlier = publishing.earlier(con, version)
            made = publishing.publish(
                con, publishing.as_map(earlier), change.actor.name, reason, normals=earlier.normals
            )
            change.happened = newest is None or made.published_at != newest.published_at
            change.details.update(version=made.version, reason=reason)
            return made

    def await_test(self, description_id: str, revision: int, reason: str, *, actor: Actor) -> None:
        """Mark a draft as one that tonight's run shall test.

        Raises:
            Refused: it is no draft, or has been tested: each revision is tested once.
        """
        with self._database.changing(actor, "ask for test", description_id) as change:
            con = change.con
            change.details.update(revision=revision, reason=reason)
            found = con.execute(
                "SELECT d.state, r.verdict FROM descriptions AS d LEFT JOIN gate_results AS r "
                "USING (description_id, revision) WHERE description_id = ? AND revision = ?",
                [description_id, revision],
            ).fetchone()
            state, verdict = found or ("unknown", None)
            if verdict is not None:
                raise Refused(f"{description_id} revision {revision} was tested already: {verdict}")
            if state not in ("draft", "testing"):
                raise Refused(f"{description_id} revision {revision} is {state}; only drafts are tested")
            publishing.stand(con, description_id, revision, "testing", actor.name, reason)

    def open_attempt(self, attempt: GateAttempt, trial: KnowledgeTrial, *, actor: Actor) -> GateAttempt:
        """Store a revision's test before it runs, with its place in the budget settled now.

        Only `attempt`, `alpha` are worked out here, so that two tests opened at once don't spend the same share; the
        given `alpha` is the whole budget.

        Raises:
            Refused: the revision has been tested, or is being tested.
        """
        with self._database.changing(actor, "open test", attempt.description_id) as change:
            con, number = change.con, publishing.next_attempt(change.con, attempt.budget)
            opened = replace(attempt, attempt=number, alpha=publishing.share(attempt.alpha, number))
            change.details.update(revision=opened.revision, attempt=opened.attempt, alpha=opened.alpha)
            insert(con, "gate_attempts", schema.table(GateAttempt, [opened]))
            publishing.keep(con, trial)
            publishing.stand(
                con, opened.description_id, opened.revision, "testing", opened.author, f"test {opened.attempt}"
            )
        return opened

    def close_attempt(self, result: GateResult, *, actor: Actor) -> None:
        """Store what a test came to.

        Raises:
            Refused: it has ended already.
        """
        with self._database.changing(actor, "close test", result.description_id) as change:
            change.details.update(revision=result.revision, verdict=result.verdict)
            insert(change.con, "gate_results", schema.table(GateResult, [result]))

    def add_lifts(self, lifts: Iterable[Lift]) -> None:
        """Store measured lift."""
        with self._database.flowing(Flow.MEASURED) as con:
            insert(con, "knowledge_lifts", schema.table(Lift, lifts))


def _publish(change: Change, members: Mapping[str, int], reason: str, **details: object) -> KnowledgeVersion:
    """Publish a set within a change, whose audit row names the version."""
    made = publishing.publish(change.con, members, change.actor.name, reason)
    change.details.update(details, version=made.version, reason=reason)
    return made
