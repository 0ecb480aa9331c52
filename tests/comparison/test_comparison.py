"""A comparison: the nearest normals, the map, the score and what they say, against something plainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from tests.comparison.pretended import PretendedTower, features, filled
from workbench.comparison import Comparer, Normal, NormalBank
from workbench.comparison.comparison import distance_map, picture_score
from workbench.comparison.regions import quarter, region
from workbench.model.case import Picture


@pytest.mark.parametrize("tolerance", [None, 0, 1, 3])
def test_map_and_score_equal_twenty_lines_of_numpy(tolerance: int | None) -> None:
    rng = np.random.default_rng(7)
    query, *references = (features(rng, rows=9, cols=12).patches for _ in range(4))

    found = distance_map(query, references, tolerance)

    expected = np.zeros((9, 12))
    for row in range(9):
        for col in range(12):
            best = -np.inf
            for reference in references:
                for r in range(9):
                    for c in range(12):
                        if tolerance is None or max(abs(r - row), abs(c - col)) <= tolerance:
                            cosine = np.dot(query[row, col].astype(float), reference[r, c].astype(float))
                            best = max(best, cosine)
            expected[row, col] = 1 - best
    assert np.abs(found - expected).max() < 1e-6
    top = sorted(expected.ravel())[-max(1, 9 * 12 // 100) :]
    assert picture_score(found) == pytest.approx(sum(top) / len(top), abs=1e-6)


def test_nearest_searches_all_normals_whatever_their_names_and_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tower, made = PretendedTower(), {f"{n:064x}": features(rng) for n in range(30)}
    normals = [Normal(content, "d", f"product {n % 3}") for n, content in enumerate(made)]
    bank = filled(tmp_path, tower, normals, made)
    renamed = filled(tmp_path, tower, [Normal(each.content, "x", "y") for each in reversed(normals)], made)
    for _ in range(20):
        query = features(rng)
        found = bank.nearest(query.class_vector, 5)
        likeness = {content: float(each.class_vector @ query.class_vector) for content, each in made.items()}
        assert [each.normal.content for each in found] == sorted(likeness, key=lambda c: -likeness[c])[:5]
        assert [each.normal.content for each in renamed.nearest(query.class_vector, 5)] == [
            each.normal.content for each in found
        ]
        one, other = Comparer(tower, bank).compare_features(query), Comparer(tower, renamed).compare_features(query)
        assert (one.map == other.map).all()
        assert one.score == other.score


def test_a_normal_is_compared_without_the_pictures_of_its_piece(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    tower, made = PretendedTower(), {f"{n:064x}": features(rng) for n in range(6)}
    normals = [Normal(content, "d", "p", piece=f"{n // 2}") for n, content in enumerate(made)]
    bank = filled(tmp_path, tower, normals, made)
    found = bank.nearest(bank.class_vector(normals[2]), 6, leave_out=normals[2])
    assert {each.normal.content for each in found} == {each.content for each in normals} - {
        normals[2].content,
        normals[3].content,
    }
    calibration = Comparer(tower, bank).calibration("d", "p")
    assert len(calibration.scores) == 6
    assert len(calibration.piece_scores) == 3
    assert max(calibration.piece_scores) == max(calibration.scores.values())


def test_what_normals_say_of_each_other_is_worked_out_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    tower, made = PretendedTower(), {f"{n:064x}": features(rng) for n in range(5)}
    normals = [Normal(content, "d", "p") for content in made]
    bank = filled(tmp_path, tower, normals, made)
    first = Comparer(tower, bank).calibration("d", "p")
    for file in tmp_path.rglob("*.safetensors"):
        file.unlink()  # were they read again, this would fail
    assert Comparer(tower, bank).calibration("d", "p") == first
    with pytest.raises(OSError, match="gone from the data folder"):
        Comparer(tower, bank, nearest=2).calibration("d", "p")


def test_filling_goes_on_where_it_was_cut_and_computes_damaged_files_anew(tmp_path: Path) -> None:
    tower, shades = PretendedTower(), [20, 90, 160]
    normals = [Normal(f"{shade:064x}", "d", "p") for shade in shades]

    def image(normal: Normal) -> Image.Image:
        return Image.new("RGB", (40, 40), (int(normal.content, 16),) * 3)

    NormalBank.open(tmp_path, tower, normals[:2], image)
    assert tower.calls == 2
    bank = NormalBank.open(tmp_path, tower, normals, image)
    assert (tower.calls, len(bank)) == (3, 3)
    before = bank.patches(normals[0])
    file = next(tmp_path.rglob(f"{normals[0].content}.safetensors"))
    file.write_bytes(file.read_bytes()[:50])
    again = NormalBank.open(tmp_path, tower, normals, image)
    assert tower.calls == 4
    assert (again.patches(normals[0]) == before).all()
    assert not list(tmp_path.rglob(".filling-*"))


def test_without_normals_nothing_is_claimed(tmp_path: Path) -> None:
    tower = PretendedTower()
    comparer = Comparer(tower, NormalBank.open(tmp_path, tower, [], lambda _: Image.new("RGB", (1, 1))))
    found = comparer.compare(Picture("0" * 64, Image.new("RGB", (40, 40))))
    assert (found.claim, found.nearest, found.threshold, found.product) == ("cannot say", (), None, None)
    assert found.why == "there is no normal picture to compare with"


def test_quarter_and_region_lie_around_the_peak() -> None:
    distances = np.full((16, 16), 0.1, np.float32)
    distances[11:13, 2:5] = 0.9
    assert quarter(distances) == "bottom left"
    x0, y0, x1, y1 = region(distances, (320, 640))
    assert x0 <= 2 * 20 < 5 * 20 <= x1
    assert y0 <= 11 * 40 < 13 * 40 <= y1
    assert x1 - x0 <= 6 * 20
    assert y1 - y0 <= 5 * 40


def test_features_without_patches_are_computed_anew_and_numbers_need_not_be_kept(tmp_path: Path) -> None:
    tower, shades = PretendedTower(), [20, 90, 160]
    normals = [Normal(f"{shade:064x}", "d", "p") for shade in shades]

    def image(normal: Normal) -> Image.Image:
        return Image.new("RGB", (40, 40), (int(normal.content, 16), 90, 60))

    NormalBank.open(tmp_path, tower, normals, image)
    file = next(tmp_path.rglob(f"{normals[0].content}.safetensors"))
    file.write_bytes(save({"class_vector": np.ones(3, np.float32)}))
    (file.parents[1] / "numbers").touch()  # so that it is no folder
    bank = NormalBank.open(tmp_path, tower, normals, image)
    assert tower.calls == 4
    assert len(Comparer(tower, bank).calibration("d", "p").scores) == 3


@pytest.mark.parametrize("pictures", [1, 2, 5])
def test_one_piece_of_a_product_gives_no_threshold_whatever_other_products_have(tmp_path: Path, pictures: int) -> None:
    """It could only be compared with other products, and what is nearer than these would be called good."""
    tower, rng = PretendedTower(), np.random.default_rng(3)
    made = {f"{n:064x}": features(rng) for n in range(pictures + 6)}
    normals = [
        Normal(content, "d", "solo" if n < pictures else "many", "piece" if n < pictures else None)
        for n, content in enumerate(made)
    ]
    comparer = Comparer(tower, filled(tmp_path, tower, normals, made))
    alone = comparer.calibration("d", "solo")
    assert (alone.threshold, alone.why) == (None, "one normal piece alone gives no threshold: at least two are needed")
    assert comparer.calibration("d", "many").threshold is not None
    found = comparer.compare_features(made[f"{0:064x}"])
    assert found.nearest[0].normal.product == "solo"
    assert (found.claim, found.rank) == ("cannot say", None)


@pytest.mark.parametrize(("copies", "others", "claims"), [(2, 0, False), (9, 0, False), (6, 4, False), (3, 6, True)])
def test_copies_of_one_picture_as_normals_allow_no_claim(
    tmp_path: Path, copies: int, others: int, claims: bool
) -> None:
    tower, rng = PretendedTower(), np.random.default_rng(3)
    one = features(rng)
    made = {f"{n:064x}": one if n < copies else features(rng) for n in range(copies + others)}
    normals = [Normal(content, "d", "p") for content in made]
    comparer = Comparer(tower, filled(tmp_path, tower, normals, made))
    assert (comparer.calibration("d", "p").why is None) == claims
    assert (comparer.compare_features(one).claim == "cannot say") != claims
