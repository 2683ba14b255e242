"""Results files of the VOC devkit: results that are read back evaluate to exactly the same numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.datasets import Dataset, Sample
from freeloc.datasets.detections import read_detections
from freeloc.datasets.voc.results import read_classification_results
from freeloc.errors import ConfigurationError, OutputError
from freeloc.metrics import APFlavour, Detections, GroundTruth, classification_ap, detection_ap
from freeloc.writers.voc_results import write_classification_results, write_detection_results

FLAVOURS: tuple[APFlavour, ...] = get_args(APFlavour)
CLASSES = ("cat", "potted plant")


def ids(count: int) -> list[str]:
    return [f"2008_{number:06}" for number in range(count)]


def dataset(count: int, classes: tuple[str, ...] = CLASSES) -> Dataset:
    row = np.full(len(classes), -1, np.int8)
    return Dataset(
        "by hand", classes, tuple(Sample(Path(f"{name}.jpg"), row.copy(), ()) for name in ids(count))
    )


# --- classification: VOCevalcls worked by hand -------------------------------------------------------------

# Ground truth as in ImageSets/Main/cat_val.txt: 1, −1, and 0 for images with difficult cats only, which
# VOCevalcls takes out of the ranking. Ranked: 1, (0), −1, 1, −1, 1, so 3 positives.
#   precision 1, 1/2, 2/3, 2/4, 3/5 at recall 1/3, 1/3, 2/3, 2/3, 1; raised 1, 2/3, 2/3, 3/5, 3/5
LABELS = [1, 0, -1, 1, -1, 1]
SCORES = [0.9, 0.85, 0.8, 0.7, 0.6, 0.5]
BY_HAND = {
    # VOC 2010 on: recall grows by 1/3 three times, under the raised precision.
    "area": Fraction(1, 3) * (1 + Fraction(2, 3) + Fraction(3, 5)),
    # VOC 2007: recalls 0 to 0.3 at 1, 0.4 to 0.6 at 2/3, 0.7 to 1 at 3/5.
    "11point": (4 + 3 * Fraction(2, 3) + 4 * Fraction(3, 5)) / 11,
}


@pytest.mark.parametrize(("flavour", "wanted"), BY_HAND.items())
def test_classification_worked_by_hand(tmp_path: Path, flavour: APFlavour, wanted: Fraction) -> None:
    # The order of the images differs from that of their scores.
    order = [3, 0, 5, 2, 1, 4]
    scores = np.array(SCORES)[order]
    write_classification_results(tmp_path, ids(6), ("cat",), scores[:, None], "val", "comp1")
    text = (tmp_path / "comp1_cls_val_cat.txt").read_text()
    assert text.splitlines()[:2] == ["2008_000000 0.7", "2008_000001 0.9"]
    assert text.endswith("\n")
    back = read_classification_results(tmp_path, dataset(6, ("cat",)))
    labels = np.array(LABELS)[order]
    assert classification_ap(back, labels[:, None], flavour)[0] == pytest.approx(float(wanted), abs=1e-15)


float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(float32, st.sampled_from([-1, 0, 1])), min_size=1, max_size=12),
    st.sampled_from(FLAVOURS),
)
def test_scores_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, int]], flavour: APFlavour
) -> None:
    folder = tmp_path_factory.mktemp("results")
    scores = np.array([[score] for score, _ in rows], np.float32)
    labels = np.array([[label] for _, label in rows])
    (path,) = write_classification_results(folder, ids(len(rows)), ("cat",), scores, "val")
    assert path.name == "comp2_cls_val_cat.txt"
    back = read_classification_results(folder, dataset(len(rows), ("cat",)))
    np.testing.assert_array_equal(back, scores.astype(np.float64))
    np.testing.assert_array_equal(
        classification_ap(back, labels, flavour), classification_ap(scores, labels, flavour)
    )


def test_neighbours_among_float32_do_not_tie_and_sort_without_exponents(tmp_path: Path) -> None:
    first = np.array([1e-12, 0.1, 1, -3.25, 123456.7, 1e9], np.float32)
    scores = np.stack([first, np.nextafter(first, np.float32(np.inf))]).reshape(-1)
    (path,) = write_classification_results(tmp_path, ids(12), ("cat",), scores[:, None], "val")
    lines = path.read_text().splitlines()
    texts = [line.split()[1] for line in lines]
    assert len(set(texts)) == 12
    assert not any("e" in text for text in texts)
    ranked = sorted(lines, key=lambda line: Decimal(line.split()[1]))
    assert ranked == [lines[place] for place in np.argsort(scores)]


# --- detection --------------------------------------------------------------------------------------------


def test_detections_are_written_as_pixels_from_one(tmp_path: Path) -> None:
    boxes = np.array([[0, 0, 500, 375], [1.5, 2, 3, 4], [9, 9, 9, 12]])
    found = Detections.build([1, 0, 1], [0, 0, 0], np.array([0.25, np.float32(0.1), -2]), boxes)
    files = write_detection_results(tmp_path / "new", ids(2), CLASSES, found, "val", "comp3")
    assert [file.name for file in files] == ["comp3_det_val_cat.txt", "comp3_det_val_potted plant.txt"]
    assert files[0].read_text() == (
        "2008_000001 0.25 1 1 500 375\n2008_000000 0.10000000149011612 2.5 3 3 4\n2008_000001 -2 10 10 9 12\n"
    )
    assert files[1].read_text() == ""
    back = read_detections(tmp_path / "new", dataset(2))
    for name in ("image", "label", "score", "boxes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FLAVOURS))
def test_boxes_come_back_with_the_same_ap(
    tmp_path_factory: pytest.TempPathFactory, seed: int, flavour: APFlavour
) -> None:
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("results")

    def boxes(count: int) -> np.ndarray:
        corner = rng.integers(0, 20, (count, 2))
        return np.concatenate([corner, corner + rng.integers(1, 20, (count, 2))], axis=1)

    objects = GroundTruth.concatenate(
        [GroundTruth.build(boxes(3), rng.integers(0, 2, 3), rng.random(3) < 0.3) for _ in range(4)]
    )
    shaken = boxes(30) + rng.random((30, 4)).astype(np.float32) * np.array([-1, -1, 1, 1], np.float32)
    scores = rng.normal(size=30).astype(np.float32)
    found = Detections.build(
        rng.integers(0, 4, 30), rng.integers(0, 2, 30), scores, shaken.astype(np.float32)
    )
    write_detection_results(folder, ids(4), CLASSES, found, "val")
    back = read_detections(folder, dataset(4))
    order, again = (np.lexsort((each.score, each.label)) for each in (found, back))
    for name in ("image", "label", "score"):
        np.testing.assert_array_equal(getattr(found, name)[order], getattr(back, name)[again])
    # Edges between −1 and 1 have finer last bits than the pixel coordinate that is larger by one.
    np.testing.assert_allclose(found.boxes[order], back.boxes[again], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(
        detection_ap(back, objects, 2, flavour=flavour), detection_ap(found, objects, 2, flavour=flavour)
    )


@settings(max_examples=30)
@given(st.floats(-10, 10), st.floats(-10, 10))
def test_boxes_without_width_come_back(tmp_path_factory: pytest.TempPathFactory, x: float, y: float) -> None:
    folder = tmp_path_factory.mktemp("results")
    # Without the second box, those of less than a pixel could be fractions of the image's sides.
    boxes = [[x, y, x, y], [5.0, 6.0, 20.0, 30.0]]
    write_detection_results(
        folder, ids(1), ("cat",), Detections.build([0, 0], [0, 0], [1, 0.5], boxes), "val"
    )
    back = read_detections(folder, dataset(1, ("cat",)))
    np.testing.assert_allclose(back.boxes, boxes, rtol=0, atol=1e-14)


# --- mistakes ---------------------------------------------------------------------------------------------


def test_refusals(tmp_path: Path) -> None:
    one = Detections.build([0], [0], [1], [[0, 0, 1, 1]])
    write_detection_results(tmp_path / "good", ["a"], ["cat"], one, "val")
    for name in ("", "a b", " a", "a\n", "caf\udce9"):
        with pytest.raises(OutputError, match="cannot be written to a VOC results file"):
            write_detection_results(tmp_path / "bad", [name], ["cat"], one, "val")
    with pytest.raises(OutputError, match="two images have the ID 'b'"):
        write_classification_results(tmp_path / "bad", ["a", "b", "b"], ["cat"], np.zeros((3, 1)), "val")
    for name in ("", "cat/dog", "cat\\dog", "cat\n"):
        with pytest.raises(OutputError, match="the class .* cannot be part of a file name"):
            write_detection_results(tmp_path / "bad", ["a"], [name], one, "val")
        with pytest.raises(OutputError, match="the split .* cannot be part of a file name"):
            write_detection_results(tmp_path / "bad", ["a"], ["cat"], one, name)
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(OutputError, match="NaN or infinite"):
            write_classification_results(tmp_path / "bad", ["a"], ["cat"], [[value]], "val")
    with pytest.raises(OutputError, match="NaN or infinite"):
        write_detection_results(
            tmp_path / "bad", ["a"], ["cat"], Detections.build([0], [0], [np.inf], [[0, 0, 1, 1]]), "val"
        )
    with pytest.raises(ConfigurationError, match="comp5.*comp3, comp4"):
        write_detection_results(tmp_path / "bad", ["a"], ["cat"], one, "val", "comp5")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="comp3.*comp1, comp2"):
        write_classification_results(tmp_path / "bad", ["a"], ["cat"], [[1]], "val", "comp3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scores have shape"):
        write_classification_results(tmp_path / "bad", ["a"], ["cat"], [1], "val")
    with pytest.raises(ValueError, match="image index outside"):
        write_detection_results(tmp_path / "bad", [], ["cat"], one, "val")
    assert not (tmp_path / "bad").exists()
