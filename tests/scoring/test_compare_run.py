"""A run that compares pictures with normal ones: what it answers, stores, says, and how it is cut and goes on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs import screen
from tests import scored
from tests.people import ANN
from tests.scored import Quiet
from tests.scoring import compared
from tests.warehouse import rows
from warehouse import schema
from warehouse.queries.comparisons import Comparisons
from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import Capabilities, Evidence, Prediction, Region
from warehouse.store import Store
from workbench.analysis.ablation import differences
from workbench.analysis.ablation_text import controls, markdown
from workbench.archive import knowledge_files
from workbench.comparison.mutual import ALONE
from workbench.errors import BackboneError, QuestionsError, SettingsError
from workbench.experiments import ablation
from workbench.experiments.study_results import read_study
from workbench.model.case import Picture
from workbench.model.method import Method
from workbench.scoring import picture_answers
from workbench.scoring import run as scoring
from workbench.scoring.compare_source import region_picture
from workbench.scoring.run import Outcome
from workbench.settings import Machine, Settings, Support, Work
from workbench.wording import points

WITHOUT_LOOP = Method(think_tokens=0, iterations=0, injection="none")  # of it no test here says anything


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.tower(tmp_path_factory.mktemp("tower") / "tiny")


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.archive(tmp_path_factory.mktemp("plates") / "archive")


@pytest.fixture(scope="module")
def first(plates: Path, tower: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run over the plates in a data folder that tests read alone; `copied` gives one to go on in."""
    return scored.score(plates, settings(tmp_path_factory.mktemp("first") / "data", tower))


def data_of(outcome: Outcome) -> Path:
    return Path(json.loads(outcome.run.settings)["data"])


def copied(outcome: Outcome, folder: Path) -> Path:
    shutil.copytree(data_of(outcome), folder)
    return folder


def settings(data: Path, tower: Path, **support: object) -> Settings:
    chosen = Support(compare=str(tower), compare_side=compared.SIDE, **support)  # type: ignore[arg-type]
    return Settings(support=chosen, machine=Machine(model="compare"), work=Work(data=data, block_images=4))


def answers(data: Path, run_id: str) -> dict[tuple[str, str], Prediction]:
    found = schema.records(Prediction, Store(data).predictions(run_id))
    return {(each.image_path, each.subtask): each for each in found}


def unplaced(data: Path, run_id: str) -> list[StoredComparison]:
    return [replace(each, run_id="") for each in rows.comparisons_of(data, run_id)]


def test_it_answers_detection_and_region_and_is_asked_nothing_else(first: Outcome) -> None:
    given, run = answers(data_of(first), first.run.run_id), first.run
    assert (run.state, run.failed, run.evaluator, run.model) == ("finished", 0, "comparison", "compare")
    assert run.capabilities == Capabilities(probabilities=False, attention=False, latents=False, text=True)
    assert run.knowledge_version is None
    for product in compared.SHADES:
        for number in range(3):
            path = f"{product}/test/scratch/{number:03d}.png"
            assert given[path, "Anomaly Detection"].answer == "A", path
            located = given[path, "Defect Localization"]
            assert (located.answer, located.correct_answer) == ("AEI"[number],) * 2, path
            assert given[path, "Anomaly Detection"].option_probabilities == {}
    assert {each.reference_path for each in given.values()} == {None}
    assert {subtask for _, subtask in given} == {"Anomaly Detection", "Defect Localization"}
    assert (run.planned, run.answered, run.invalid) == (24, 24, 0)
    assert "not asked, as comparing with normal pictures doesn't answer it: Defect Description (12 questions)" in (
        first.notes
    )
    spent = run.timings
    assert min(spent.vision, spent.answer) > 0  # the tower, and what is compared with what it saw
    assert (spent.prefill, spent.loop) == (0, 0)


def test_every_picture_has_its_comparison_and_the_summary_ranks_them(first: Outcome) -> None:
    data, outcome = data_of(first), first
    stored = rows.comparisons_of(data, outcome.run.run_id)
    assert len(stored) == len({each.image_id for each in stored}) == 12
    one = Comparisons(data).of_picture(outcome.run.run_id, stored[0].image_id)
    assert one == stored[0]
    assert (one.rows, one.columns, len(one.values)) == (9, 9, 81)
    assert (one.area.x1, one.area.y1) == (compared.SIDE, compared.SIDE)
    normals = {each.content for each in schema.records(type(ENTRY), Store(data).entries(outcome.run.archive_id))}
    assert set(one.nearest) < normals
    assert [each.label for each in outcome.suspicious] == ["defective"] * 6 + ["good"] * 6
    assert {each.claim for each in outcome.suspicious[:6]} == {"defective"}
    said = " ".join(outcome.notes)
    assert "compared with 12 normal pictures of 2 products, as tiny@" in said
    assert "threshold of bolt: above all 6 normal pieces" in said


ENTRY = rows.entry(0)


def test_stopped_and_given_again_and_on_two_devices_it_has_the_rows_of_one_that_was_never_cut(
    plates: Path, tower: Path, tmp_path: Path, first: Outcome
) -> None:
    class Once:
        asked = 0

        def __call__(self) -> str:
            self.asked += 1
            return "enough" if self.asked == 1 else ""

    chosen = settings(tmp_path / "cut", tower)
    stopped = scoring.score(plates, chosen, Quiet(), stop=Once())
    assert stopped.run.state == "stopped"
    goes_on = scored.score(plates, chosen)
    assert (goes_on.resumed, goes_on.run.run_id) == (True, stopped.run.run_id)

    several = replace(settings(tmp_path / "two", tower), machine=Machine(model="compare", device="cpu,cpu"))
    both = scored.score(plates, several)

    expected = unplaced(data_of(first), first.run.run_id)
    assert unplaced(tmp_path / "cut", goes_on.run.run_id) == expected
    assert sorted(unplaced(tmp_path / "two", both.run.run_id), key=lambda each: each.block) == expected
    assert both.run.digest == first.run.digest


def test_another_tower_or_other_normals_are_another_digest(
    plates: Path, tower: Path, tmp_path: Path, data_folder: Path, first: Outcome
) -> None:
    side = settings(copied(first, data_folder), tower)
    wider = scored.score(plates, replace(side, support=replace(side.support, compare_side=140)))
    more = compared.archive(tmp_path / "more", normals=7)
    others = scored.score(more, settings(tmp_path / "data", tower))

    assert len({each.run.digest for each in (first, wider, others)}) == 3
    assert scored.score(plates, settings(data_folder, tower), again=False).run.run_id == first.run.run_id


def test_the_labels_and_names_of_what_is_inspected_change_no_score(tower: Path, tmp_path: Path, first: Outcome) -> None:
    renamed = compared.archive(tmp_path / "renamed")
    (renamed / "bolt" / "test" / "scratch").rename(renamed / "bolt" / "test" / "hold")
    (renamed / "bolt" / "test" / "good").rename(renamed / "bolt" / "test" / "scratch")
    (renamed / "bolt" / "test" / "hold").rename(renamed / "bolt" / "test" / "good")

    def scores(outcome: Outcome) -> dict[str, float]:
        data, run_id = data_of(outcome), outcome.run.run_id
        content = {each.image_id: each.content for each in answers(data, run_id).values()}
        return {content[each.image_id]: each.score for each in rows.comparisons_of(data, run_id)}

    assert scores(scored.score(renamed, settings(tmp_path / "data", tower))) == scores(first)


def test_products_without_a_normal_are_named(plates: Path, tower: Path, tmp_path: Path) -> None:
    root = compared.archive(tmp_path / "three")
    compared.plate(root / "washer" / "test" / "good" / "000.png", "washer", 1)

    outcome = scored.score(root, settings(tmp_path / "data", tower))

    assert outcome.run.state == "finished"
    assert any("products without a normal picture: three/washer" in note for note in outcome.notes), outcome.notes


def test_without_any_normal_pictures_are_ranked_against_each_other_and_nothing_is_claimed(
    tower: Path, tmp_path: Path
) -> None:
    root = tmp_path / "plates"
    for number in range(18):
        compared.plate(root / f"{number:02d}.png", "bolt", number, (1, 1) if number in (3, 11) else None)

    outcome = scored.score(root, settings(tmp_path / "data", tower))

    assert outcome.run.state == "finished"
    assert {each.image_path for each in outcome.suspicious[:2]} == {"03.png", "11.png"}
    assert {each.claim for each in outcome.suspicious} == {"cannot say"}
    assert {each.normals for each in outcome.suspicious} == {0}
    assert any(note.startswith("no normal picture is known") for note in outcome.notes), outcome.notes
    detection = answers(tmp_path / "data", outcome.run.run_id)["03.png", "Anomaly Detection"]
    assert (detection.status, detection.answer) == ("invalid", None)
    assert "no normal picture is known" in (detection.raw_text or "")
    assert any(note.startswith("comparing claims nothing of 18 pictures: no normal") for note in outcome.notes)
    unbounded = "nothing bounds how many pictures are defective (0 of 18 pictures have a label)"
    assert any(unbounded in note for note in outcome.notes), outcome.notes


def test_a_picture_alone_heads_no_list_and_nothing_is_said_of_it(
    tower: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{number}.png" for number in range(3)]
    for name in names:
        compared.plate(tmp_path / "plates" / name, "bolt", 7)  # copies are one piece
    (tmp_path / "plates" / "images.csv").write_text("path,label\n" + "".join(f"{name},defective\n" for name in names))

    outcome = scored.score(tmp_path / "plates", settings(tmp_path / "data", tower))
    screen.show(outcome, tmp_path / "data")

    printed = " ".join(capsys.readouterr().out.split())
    assert outcome.suspicious == ()
    assert "most suspicious" not in printed
    assert f"comparing claims nothing of 3 pictures: {ALONE}" in printed
    assert "detection 0 escapes of 3 defective images; nothing is claimed of 3 of 3" in printed
    assert "By piece: nothing is said of 1 piece (3 pictures)." in printed
    said = picture_answers.of_run(Store(tmp_path / "data"), outcome.run.run_id)
    assert said
    assert said.sentence == "0.png is not judged: the answer is that it cannot say; its label is defective."
    assert (said.compared or "").startswith("Its score is 0.000, too few normals; it cannot say more: no normal")


def test_as_evidence_its_words_stand_beside_the_texts_and_are_in_the_digest(
    plates: Path, tower: Path, data_folder: Path, drawn_archive: Path
) -> None:
    knowledge_files.import_file(Store(data_folder), drawn_archive / "domain_knowledge.json", actor=ANN)
    plain = replace(scored.quick(data_folder, limit=8), method=WITHOUT_LOOP)
    shown = replace(
        plain,
        support=Support(compare=str(tower), compare_side=compared.SIDE, evidence="texts,compare"),
    )
    swapped = replace(shown, support=replace(shown.support, evidence="texts,swapped-compare"))

    outcomes: list[Outcome] = [scored.score(plates, each) for each in (plain, shown, swapped)]

    assert len({each.run.digest for each in outcomes}) == 3
    with_it, control = (answers(data_folder, each.run.run_id) for each in outcomes[1:])
    evidence = {path: each.evidence[0] for (path, _), each in with_it.items() if each.evidence}
    other = {path: each.evidence[0] for (path, _), each in control.items() if each.evidence}
    assert {each.source for each in evidence.values()} == {"compare"}
    assert {each.source for each in other.values()} == {"swapped-compare"}
    assert all(each.descriptions for each in with_it.values())
    for path, each in evidence.items():
        assert ("differs from normal" in each.words) == ("scratch" in path)
        assert bool(each.regions) == ("scratch" in path)
        assert other[path].score != each.score
    assert len(rows.comparisons_of(data_folder, outcomes[1].run.run_id)) == len(evidence)
    assert rows.comparisons_of(data_folder, outcomes[0].run.run_id) == []
    enlarged = replace(shown, method=replace(shown.method, region_picture=True))
    closer = scored.score(plates, enlarged)
    assert closer.run.digest not in {each.run.digest for each in outcomes}
    for key, given in answers(data_folder, closer.run.run_id).items():
        moved = given.option_probabilities != pytest.approx(with_it[key].option_probabilities, rel=1e-3)
        assert moved == (bool(given.option_probabilities) and "scratch" in key[0]), key
    with pytest.raises(SettingsError, match="region_picture shows what a comparison marks"):
        scored.score(plates, replace(plain, method=replace(plain.method, region_picture=True)))


@pytest.mark.parametrize(("box", "shown"), [((50, 50, 70, 60), (40, 35, 80, 75)), ((0, 0, 8, 8), (0, 0, 16, 16))])
def test_a_region_is_shown_with_what_is_around_it_in_pixels_of_what_was_opened(
    box: tuple[int, int, int, int], shown: tuple[int, int, int, int]
) -> None:
    pixels = np.arange(100 * 120 * 3, dtype=np.uint8).reshape(100, 120, 3)
    query = Picture("a", Image.fromarray(pixels), origin=(10.0, 20.0))
    inside = Region(box[0] + 10, box[1] + 20, box[2] + 10, box[3] + 20)

    found = region_picture(query, [Evidence("compare", "1", "", (inside,), 0.5)])

    assert found is not None
    expected = query.image.crop(shown).resize((224, 224), Image.Resampling.BICUBIC)
    assert (np.asarray(found.image) == np.asarray(expected)).all()
    assert found.key == f"a#{','.join(map(str, shown))}"
    assert region_picture(query, [Evidence("compare", "1", "good", (), 0.1)]) is None


def test_questions_of_a_file_are_asked_where_an_option_names_what_the_normals_are_of(
    tower: Path, tmp_path: Path
) -> None:
    root = compared.archive(tmp_path / "plates")
    texts = {"bolt": ("What is it?", ("A bolt.", "A pen.")), "nut": ("Which colour has it?", ("Grey.", "Red."))}
    asked = {
        f"{product}/test/good/000.png": {
            "conversation": [
                {
                    "type": "Object Classification",
                    "Question": question,
                    "Options": dict(zip("AB", options, strict=True)),
                    "Answer": "A",
                }
            ]
        }
        for product, (question, options) in texts.items()
    }
    (root / "mmad.json").write_text(json.dumps(asked))

    outcome = scored.score(root, settings(tmp_path / "data", tower))

    [given] = answers(tmp_path / "data", outcome.run.run_id).values()
    assert (given.question, given.answer) == ("What is it?", "A")
    reason = "no option names a product of the normal pictures"
    assert f"not asked, as {reason}: Object Classification (1 question)" in outcome.notes
    del asked["bolt/test/good/000.png"]
    (root / "mmad.json").write_text(json.dumps(asked))
    with pytest.raises(QuestionsError, match=f"comparing can answer none of the questions; not asked, as {reason}"):
        scored.score(root, settings(tmp_path / "data", tower))


def test_pictures_of_a_folder_of_references_inside_the_archive_are_no_pictures_to_score(
    tower: Path, tmp_path: Path
) -> None:
    root = tmp_path / "plates"
    for number in range(6):
        compared.plate(root / "good" / f"{number}.png", "bolt", number)
    for number in range(2):
        compared.plate(root / f"{number}.png", "bolt", 50 + number, (1, 1) if number else None)
    compared.plate(root / "goods" / "0.png", "bolt", 60)

    outcome = scored.score(root, settings(tmp_path / "data", tower, references=root / "good"))

    given = answers(tmp_path / "data", outcome.run.run_id)
    assert {path for path, _ in given} == {"0.png", "1.png", "goods/0.png"}
    assert "6 pictures below good/ are references (--references), and not scored" in outcome.notes
    assert any(note.startswith("compared with 6 normal pictures of ") for note in outcome.notes), outcome.notes
    assert given["1.png", "Anomaly Detection"].answer == "A"
    named = scored.score(root / "good" / "3.png", settings(tmp_path / "other", tower, references=root / "good"))
    assert {each.image_path for each in answers(tmp_path / "other", named.run.run_id).values()} == {"3.png"}


def test_one_picture_says_its_score_and_where_it_comes_from(
    plates: Path, tower: Path, data_folder: Path, first: Outcome
) -> None:
    named = {"WORKBENCH_COMPARE": str(tower), "WORKBENCH_COMPARE_SIDE": str(compared.SIDE)}
    copied(first, data_folder)  # the archive that it lies in is known
    picture = plates / "bolt" / "test" / "scratch" / "002.png"

    done = scored.workbench("score", picture, "--model", "compare", data=data_folder, variables=named)

    assert done.returncode == 0, done.stderr
    assert "scratch/002.png is called defective, region: bottom right; its label is defective." in done.stdout
    assert "above all 6 normal pieces (threshold" in done.stdout
    assert "it comes from the picture's region bottom right" in done.stdout


def test_the_answering_models_own_tower_compares_too(plates: Path, data_folder: Path) -> None:
    shown = Support(knowledge="none", compare="own", compare_side=126, evidence="compare")
    plain = replace(scored.quick(data_folder, shown), method=WITHOUT_LOOP)

    outcome = scored.score(plates, plain)

    stored = rows.comparisons_of(data_folder, outcome.run.run_id)
    assert (outcome.run.state, len(stored)) == ("finished", 12)
    assert ", as own " in " ".join(outcome.notes), outcome.notes
    with pytest.raises(BackboneError, match="the tower of the model that answers"):
        scored.score(plates, replace(settings(data_folder, plates), support=Support(compare="own")))


def test_the_comparisons_of_a_run_are_exported_the_most_suspicious_first(first: Outcome, tmp_path: Path) -> None:
    Store(data_of(first)).export("comparisons", first.run.run_id, tmp_path / "comparisons.csv")

    lines = (tmp_path / "comparisons.csv").read_text().splitlines()
    assert lines[0].startswith("run_id,image_id,image_path,product,label,score,rank,normals,threshold,claim")
    assert ["defective" in line for line in lines[1:]] == [True] * 6 + [False] * 6


def test_an_ablation_shows_another_pictures_comparison_as_its_control(
    plates: Path, tower: Path, data_folder: Path
) -> None:
    base = scored.quick(data_folder, Support(compare=str(tower), compare_side=compared.SIDE), block_images=12)
    arms = ablation.choose(ablation.COMPARED, ("no comparison", "comparison", "another picture's comparison"))

    experiment = ablation.run(plates, base, arms, Quiet())

    study = read_study(data_folder, "ablation", experiment, "archive")
    given = [answers(data_folder, study.arms[place].run_id) for place in range(3)]
    judged = [key for key, each in given[0].items() if each.correct_answer is not None]
    plain, own, other = ([(of[key].answer, of[key].answer == of[key].correct_answer) for key in judged] for of in given)

    def moved(found: list[tuple[str | None, bool]], against: list[tuple[str | None, bool]]) -> float:
        return sum(new[1] - old[1] for new, old in zip(found, against, strict=True)) / len(judged)

    (said,) = controls(study)
    assert said in markdown(study)
    for sentence, found in zip(said.split(". "), (own, other), strict=False):
        changed = sum(new[0] != old[0] for new, old in zip(found, plain, strict=True))
        assert f": {points(moved(found, plain))} points [" in sentence
        assert f"] against “no comparison”, {changed} of {len(judged)} answers changed (" in sentence
    assert f"Its own against another's: {points(moved(own, other))} points [" in said
    # What is claimed is this difference alone, and only where the test of the images' gains finds it.
    (tested,) = differences(study, against={arms[1].name: arms[2].name}).iter_rows(named=True)
    assert tested["difference"] == pytest.approx(moved(own, plain) - moved(other, plain))
    claimed = said.rsplit(". ", 1)[-1].startswith("So what comparing says of the picture itself brings more")
    assert claimed == (tested["low"] > 0)


def test_a_comparisons_map_proposes_patches_over_the_scratch(plates: Path, tower: Path, data_folder: Path) -> None:
    support = Support(knowledge="none", compare=str(tower), compare_side=compared.SIDE)
    plain = scored.quick(data_folder, support, limit=12)
    short = replace(plain, method=replace(plain.method, iterations=1))
    by_map = replace(short, method=replace(short.method, proposals="comparison"))

    outcome, before = scored.score(plates, by_map), scored.score(plates, short)

    run_id = outcome.run.run_id
    assert (outcome.run.state, outcome.run.digest != before.run.digest) == ("finished", True)
    assert rows.comparisons_of(data_folder, before.run.run_id) == []
    stored = {each.image_id: each for each in rows.comparisons_of(data_folder, run_id)}
    first = (
        Store(data_folder).patches(run_id).sort("score", descending=True).group_by("image_id", "question_id").first()
    )
    seen = 0
    for patch in first.iter_rows(named=True):
        found = stored[patch["image_id"]]
        if found.claim == "defective" and found.marked is not None:
            x, y = (patch["x0"] + patch["x1"]) / 2, (patch["y0"] + patch["y1"]) / 2
            assert found.marked.x0 <= x <= found.marked.x1
            assert found.marked.y0 <= y <= found.marked.y1
            seen += 1
    assert seen
