"""Rows, tables and the audit for constructed predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets.dataset import AnnotatedBox, Dataset, Sample
from freeloc.errors import OutputError
from freeloc.evaluation.annotations import Annotations
from freeloc.evaluation.collect import Predictions
from freeloc.evaluation.options import EvaluationOptions
from freeloc.geometry.size import Size
from freeloc.metrics import Detections
from freeloc.paper import ROWS, ReproductionSettings, StudyResult, find_study
from freeloc.paper.box_rows import load_detections, save_detections
from freeloc.paper.context_audit import audit_classes
from freeloc.paper.measured_rows import (
    BOX_MEASURES,
    MeasuredRow,
    compare_rows,
    measure_boxes,
    measure_points,
    row_as_json,
)
from freeloc.paper.published_numbers import PUBLISHED, published_for
from freeloc.paper.row_plans import NEAREST_TO_PAPER
from freeloc.paper.study_folder import StudyFolder
from freeloc.paper.tables import (
    audit_table,
    box_table,
    class_table,
    difference_tables,
    summary_tables,
    training_table,
)
from freeloc.paper.write_outputs import write_outputs
from freeloc.training.convergence import TrainingOutcome

COUNT = 40
SIZE = Size(300, 200)
OPTIONS = EvaluationOptions(resamples=50)
BOX = (100.0, 50.0, 200.0, 150.0)


def images() -> Dataset:
    """Forty images: even ones contain "cat" in a box in the center; every fourth contains "boat" on the left."""
    samples = []
    for index in range(COUNT):
        labels = np.array([1 if index % 2 == 0 else -1, 1 if index % 4 == 1 else -1], np.int8)
        boxes = [AnnotatedBox(0, *BOX)] if labels[0] > 0 else []
        boxes += [AnnotatedBox(1, 0.0, 0.0, 60.0, 200.0)] if labels[1] > 0 else []
        samples.append(Sample(Path(f"{index}.jpg"), labels, tuple(boxes)))
    return Dataset("made", ("cat", "boat"), tuple(samples))


def predictions(dataset: Dataset, points: tuple[tuple[float, float], tuple[float, float]]) -> Predictions:
    """Scores that separate both classes perfectly, and the same points in all images."""
    scores = dataset.labels.astype(np.float32) + np.linspace(0, 0.1, COUNT, dtype=np.float32)[:, None]
    everywhere = np.tile(np.array(points, np.float64), (COUNT, 1, 1))
    return Predictions("made", (SIZE,) * COUNT, scores, {"paper": everywhere}, {"paper": scores})


@pytest.fixture(scope="module")
def rows() -> tuple[MeasuredRow, ...]:
    data = images()
    annotations = Annotations.read(data, (SIZE,) * COUNT)
    middle = (150.0, 100.0)
    told = {
        "weak": predictions(data, (middle, middle)),
        "masked": predictions(data, (middle, (30.0, 100.0))),
        "center": predictions(data, (middle, middle)),
    }
    measured = [measure_points(ROWS[key], one, annotations, OPTIONS) for key, one in told.items()]
    cats = np.flatnonzero(data.labels[:, 0] > 0)
    exact = Detections.build(cats, np.zeros(len(cats)), np.ones(len(cats)), [BOX] * len(cats))
    half = Detections.build(cats, np.zeros(len(cats)), np.ones(len(cats)), [(100, 50, 140, 150)] * len(cats))
    for key, found in (("proposals", half), ("extents", exact)):
        measured.append(measure_boxes(ROWS[key], found, annotations, OPTIONS))
    return compare_rows(measured, OPTIONS)


@pytest.fixture(scope="module")
def outcome(rows: tuple[MeasuredRow, ...]) -> StudyResult:
    audit = audit_classes({row.plan.key: row for row in rows}, ("cat", "boat"), (20, 10), OPTIONS)
    study = find_study("voc2012")
    return StudyResult(study, "train", "made", ("cat", "boat"), (20, 10), COUNT, rows, audit, {}, {})


def test_numbers_that_are_known(rows: tuple[MeasuredRow, ...]) -> None:
    weak, masked, _, proposals, extents = rows
    assert [value.estimate for value in weak.measures["classification"].classes] == [1, 1]
    assert [value.estimate for value in weak.measures["location"].classes] == [1, 0]
    assert [value.estimate for value in masked.measures["location"].classes] == [1, 1]
    assert masked.differences["location"].mean.estimate == pytest.approx(0.5)
    assert masked.differences["classification"].mean.estimate == 0
    assert not weak.differences
    # Boxes that cover 40% of the object do not reach an IoU of 0.5; no boat was found, which is half of the
    # mean.
    assert [proposals.measures[key].mean.estimate for key in BOX_MEASURES] == [0, 0.5, 0.5]
    assert [extents.measures[key].mean.estimate for key in BOX_MEASURES] == [0.5, 0.5, 0.5]
    assert extents.differences["box_ap_50"].mean.estimate == pytest.approx(0.5)
    assert extents.differences["box_ap_30"].mean.estimate == 0


def test_a_class_told_but_not_found_is_recognised_from_the_scene(outcome: StudyResult) -> None:
    boat, cat = outcome.audit
    assert (boat.name, cat.name) == ("boat", "cat")
    assert boat.from_scene
    assert not cat.from_scene
    assert (boat.gap.estimate, boat.masked, boat.center) == (1, 1, 0)
    table = audit_table(outcome)
    assert table.rows[0][0] == "boat"
    assert table.rows[0][-1] == "recognized from the scene"
    few = audit_classes({row.plan.key: row for row in outcome.rows}, ("cat", "boat"), (20, 9), OPTIONS)
    assert few[0].few_positives
    assert not few[0].from_scene


def test_tables_hold_what_was_measured(outcome: StudyResult) -> None:
    (summary,) = summary_tables(outcome)
    assert [row[1] for row in summary.rows] == [ROWS[key].title for key in ("weak", "masked", "center")]
    assert summary.rows[0][3].startswith("100.0 [")
    assert summary.rows[1][2] == "yes"
    points, boxes = difference_tables(outcome)
    assert points.rows[0][:2] == ("masked pooling", "weakly supervised")
    assert points.rows[0][3].startswith("+50.0 [")
    assert [row[:2] for row in boxes.rows] == [(ROWS["extents"].title, ROWS["proposals"].title)]
    location = class_table(outcome, "location", "location")
    assert tuple(location.header[2:]) == tuple(ROWS[key].title for key in ("weak", "masked", "center"))
    assert [row[0] for row in location.rows] == ["cat", "boat", "mean"]
    by_box = class_table(outcome, BOX_MEASURES[0], "boxes")
    assert tuple(by_box.header[2:]) == (ROWS["proposals"].title, ROWS["extents"].title)
    assert by_box.rows[0][2:] == ("0.0", "100.0")


def test_a_row_that_did_not_converge_is_marked_and_compared_with_none(outcome: StudyResult) -> None:
    def trained(loss: float) -> TrainingOutcome:
        return TrainingOutcome("paper", 0.004, 8, 2000, (0.7, 1.0), 0.33, loss, 2.0, 61.0)

    by_key = {row.plan.key: row for row in outcome.rows}
    weak, masked = by_key["weak"], by_key["masked"]
    good = replace(weak, training={"weak": trained(0.5)})
    bad = replace(masked, training={"masked": trained(1.9)})
    for rows in ((good, bad), (replace(weak, training={"weak": trained(1.9)}), masked)):
        assert not compare_rows(rows, OPTIONS)[1].differences
    assert compare_rows((good, replace(masked, training={"masked": trained(1.7)})), OPTIONS)[1].differences
    result = replace(outcome, rows=compare_rows((good, bad), OPTIONS))
    (summary,) = summary_tables(result)
    assert [row[1] for row in summary.rows] == [weak.plan.title, "masked pooling (did not converge)"]
    assert difference_tables(result) == ()
    assert class_table(result, "location", "").header[3] == "masked pooling (did not converge)"
    table = training_table(result)
    assert table is not None
    facts = ("paper", "0.004", "8", "2,000", "0.7, 1", "33% of each image's")
    assert table.rows == [
        (weak.plan.title, "the paper's, faster", *facts, "0.500", "2.000", "61", "left the plateau"),
        (masked.plan.title, "the paper's, faster", *facts, "1.900", "2.000", "61", "did not converge"),
    ]
    assert row_as_json(bad, result.classes)["training"]["masked"]["converged"] is False
    assert training_table(outcome) is None


def test_extents_stand_beside_what_the_paper_printed(outcome: StudyResult) -> None:
    plain = box_table(outcome)
    assert plain is not None
    assert [row[0] for row in plain.rows] == [ROWS["proposals"].title, ROWS["extents"].title]
    nearest = ROWS[NEAREST_TO_PAPER]
    rows = [replace(row, plan=nearest) if row.plan.key == "proposals" else row for row in outcome.rows]
    outcome = replace(outcome, rows=tuple(rows))
    table = box_table(outcome)
    assert table is not None
    assert [row[0] for row in table.rows] == [nearest.title, "paper, published", ROWS["extents"].title]
    assert table.rows[1][2:5] == ("11.74", "27.47", "43.54")
    complete = replace(outcome, study=replace(outcome.study, size=(7, COUNT, 2)), train_images=7)
    compared = box_table(complete)
    assert compared is not None
    assert compared.rows[2][0] == "ours minus the published"
    assert compared.rows[2][3].startswith("+22.5 [")  # 50 − 27.47
    without = [row for row in outcome.rows if row.plan.box_method is None]
    assert box_table(StudyResult(**{**vars(outcome), "rows": tuple(without)})) is None


def test_published_numbers_have_a_source_and_a_row_that_exists() -> None:
    for name, numbers in PUBLISHED.items():
        for one in numbers:
            assert one.source
            assert 0 < one.value < 100
            assert one.row in {"", *ROWS}
            assert bool(one.key) == bool(one.row), f"{name}: {one.what}"
    assert published_for("coco2014", "weak")["classification"].value == 62.8
    assert published_for("voc2012", "weak") == {}


def test_rows_as_json_are_plain(outcome: StudyResult) -> None:
    told = json.loads(
        json.dumps([row_as_json(row, outcome.classes) for row in outcome.rows], allow_nan=False)
    )
    by_key = {row["key"]: row for row in told}
    assert by_key["extents"]["location_mode"] == "box"
    assert by_key["extents"]["measures"]["box_ap_50"]["classes"]["cat"]["value"] == 100
    assert by_key["extents"]["against"] == "proposals"
    assert by_key["weak"]["location_mode"] == "paper"


def test_boxes_are_kept_for_what_they_were_made_from(tmp_path: Path) -> None:
    found = Detections.build([0, 3], [1, 0], [0.5, -np.inf], [BOX, BOX])
    save_detections(tmp_path / "row.npz", found, "this")
    again = load_detections(tmp_path / "row.npz", "this")
    assert again is not None
    for name in ("image", "label", "score", "boxes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert load_detections(tmp_path / "row.npz", "that") is None
    assert load_detections(tmp_path / "none.npz", "this") is None
    (tmp_path / "row.npz").write_bytes(b"PK broken")
    assert load_detections(tmp_path / "row.npz", "this") is None


def test_the_tables_are_printed_if_they_cannot_be_written(
    outcome: StudyResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").mkdir()
    with pytest.raises(OutputError, match=r"results\.json: it is a folder"):
        write_outputs(outcome, images(), StudyFolder(tmp_path), ReproductionSettings())
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    weak = next(line for line in lines if "weakly supervised" in line)
    assert "100.0 [100.0, 100.0]" in weak
    assert any(line[0].startswith("Box AP") or ROWS["proposals"].title in line for line in lines)
