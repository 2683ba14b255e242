"""The devkit's result files: what is written, and that it evaluates to the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets.detections import Keys, read_detections
from freeloc.errors import FreelocError
from freeloc.metrics import Detections, classification_ap
from freeloc.writers.vocresults import write_classification_results, write_detection_results

IDENTS = ["2008_000001", "2008_000002", "2008_000003", "2008_000004", "2008_000005"]


def devkit_ap(file: Path, truth: dict[str, int]) -> float:
    """VOCevalcls: read the file, rank it, leave out what is 0 (difficult), area under the raised curve."""
    lines = [line.split() for line in file.read_text().splitlines()]
    ranked = sorted(((float(score), truth[ident]) for ident, score in lines), key=lambda pair: -pair[0])
    hits = [label == 1 for _, label in ranked if label != 0]
    recall = np.cumsum(hits) / sum(hits)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    mrec, mpre = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for index in range(len(mpre) - 2, -1, -1):
        mpre[index] = max(mpre[index], mpre[index + 1])
    return sum((mrec[i] - mrec[i - 1]) * mpre[i] for i in range(1, len(mrec)) if mrec[i] != mrec[i - 1])


def test_a_case_by_hand(tmp_path: Path) -> None:
    labels = np.array([[1], [0], [-1], [1], [-1]], np.int8)  # the second is difficult: left out
    scores = np.array([[3.0], [2.5], [2.0], [1.0], [0.5]], np.float32)
    (file,) = write_classification_results(tmp_path, "val", IDENTS, ["dog"], scores)
    assert file.name == "comp2_cls_val_dog.txt"
    assert file.read_text().splitlines()[:2] == ["2008_000001 3", "2008_000002 2.5"]
    truth = dict(zip(IDENTS, labels[:, 0].tolist(), strict=True))
    # Ranked without the difficult one: hit, miss, hit, miss: 1/2 * 1 + 1/2 * 2/3.
    assert devkit_ap(file, truth) == pytest.approx(5 / 6)
    assert classification_ap(scores, labels)[0] == pytest.approx(5 / 6)


def test_files_evaluate_to_the_same_ap(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    idents = [f"{number:06d}" for number in range(300)]
    labels = rng.choice([-1, -1, -1, 0, 1], (300, 3)).astype(np.int8)
    scores = (labels + rng.normal(0, 1.5, labels.shape)).astype(np.float32)
    files = write_classification_results(
        tmp_path, "test", idents, ["cat", "dog", "tvmonitor"], scores, "comp1"
    )
    assert [file.name for file in files][2] == "comp1_cls_test_tvmonitor.txt"
    per_class = classification_ap(scores, labels)
    for file, expected, column in zip(files, per_class, labels.T, strict=True):
        assert devkit_ap(file, dict(zip(idents, column.tolist(), strict=True))) == pytest.approx(
            expected, abs=1e-12
        )


def test_different_scores_stay_different(tmp_path: Path) -> None:
    close = np.array([[1.0], [np.nextafter(np.float32(1), np.float32(2))]], np.float32)
    (file,) = write_classification_results(tmp_path, "val", IDENTS[:2], ["dog"], close)
    first, second = (float(line.split()[1]) for line in file.read_text().splitlines())
    assert first < second


def test_boxes_are_counted_from_one_and_come_back(tmp_path: Path) -> None:
    made = Detections.build(
        [0, 2, 0], [1, 0, 1], [0.5, 0.25, -1.5], [(0, 0, 10, 20), (3.5, 4.25, 8, 9), (1, 1, 2, 2)]
    )
    files = write_detection_results(tmp_path, "val", IDENTS, ["cat", "dog", "sheep"], made, "comp3")
    assert [file.name for file in files] == [f"comp3_det_val_{name}.txt" for name in ("cat", "dog", "sheep")]
    assert files[1].read_text().splitlines()[0] == "2008_000001 0.5 1.000000 1.000000 10.000000 20.000000"
    assert files[2].read_text() == ""
    keys = Keys({name: index for index, name in enumerate(IDENTS)}, {"cat": 0, "dog": 1, "sheep": 2})
    back = read_detections(tmp_path, keys)
    order, own = np.lexsort((back.score, back.label)), np.lexsort((made.score, made.label))
    for name in ("photo", "label", "score", "boxes"):
        np.testing.assert_allclose(getattr(back, name)[order], getattr(made, name)[own], atol=1e-6)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match="NaN"):
        write_classification_results(tmp_path, "val", IDENTS[:1], ["dog"], [[np.nan]])
    with pytest.raises(FreelocError, match="competition is 'comp4'"):
        write_classification_results(tmp_path, "val", IDENTS[:1], ["dog"], [[1.0]], "comp4")
    with pytest.raises(ValueError, match="shape"):
        write_classification_results(tmp_path, "val", IDENTS[:1], ["dog"], [[1.0, 2.0]])
    assert list(tmp_path.iterdir()) == []
