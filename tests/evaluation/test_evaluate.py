"""Evaluation: rows contain the values of the metrics, compared with a manually computed case."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeloc._typing import Float32Array
from freeloc.datasets import AnnotatedBox, Dataset, Sample
from freeloc.errors import FreelocError
from freeloc.evaluation.annotations import Annotations, check_evaluable, ground_truth_of
from freeloc.evaluation.collect import Predictions
from freeloc.evaluation.evaluate import Evaluation, Row, evaluate
from freeloc.evaluation.measures import MEASURES, box_measure, intervals, point_metrics
from freeloc.evaluation.options import EvaluationOptions
from freeloc.geometry.size import Size
from freeloc.inference.result import LocationMode
from freeloc.metrics import (
    CalibrationOptions,
    Detections,
    LocationOptions,
    PointingOptions,
    best_boxes,
    bootstrap_intervals,
    calibration_error,
    center_points,
    classification_ranking,
    detection_ap,
    location_ap,
    paired_bootstrap,
    pointing_game,
)
from freeloc.metrics.location_ap import LocationResult
from freeloc.metrics.pointing_game import PointingResult
from freeloc.metrics.ranking import Ranking

CLASSES = ("cat", "dog")
SIZE = Size(500, 400)
FAST = EvaluationOptions(resamples=20)


def sample(number: int, labels: tuple[int, ...], *boxes: AnnotatedBox) -> Sample:
    return Sample(Path(f"{number}.jpg"), np.array(labels, np.int8), boxes)


def by_hand() -> tuple[Dataset, Predictions]:
    """Four images whose metrics can be computed manually."""
    dataset = Dataset(
        "by hand",
        CLASSES,
        (
            sample(0, (1, -1), AnnotatedBox(0, 10, 10, 110, 110)),
            # A cat over 45% of the image, including the image center, and a small dog.
            sample(1, (1, 1), AnnotatedBox(0, 100, 60, 400, 360), AnnotatedBox(1, 400, 10, 490, 60)),
            sample(2, (-1, 1), AnnotatedBox(1, 10, 300, 60, 390)),
            sample(3, (-1, -1)),
        ),
    )
    fused = np.zeros((4, 2, 2))
    fused[0, 0] = 60, 60  # on the cat
    fused[1, 0] = 60, 200  # 40 pixels left of the cat
    fused[1, 1] = 382, 30  # 18 pixels left of the dog, exactly the tolerance of location AP
    fused[2, 1] = 79, 340  # 19 pixels right of the dog
    paper = fused.copy()
    paper[1, 0] = 250, 200  # on the cat
    scores = np.array([[3, 0], [1, 4], [2, 3], [0, 1]], np.float32)
    responses: dict[LocationMode, Float32Array] = {
        "fused": np.array([[0.2, 0], [0.9, 0.9], [0.1, 0.8], [0, 0.1]], np.float32),
        "paper": np.array([[1, 0], [9, 9], [8, 10], [0, 1]], np.float32),
    }
    return dataset, Predictions("model", (SIZE,) * 4, scores, {"fused": fused, "paper": paper}, responses)


def values(evaluation: Evaluation, row: int, measure: str) -> list[float]:
    result = evaluation.rows[row].measures[measure]
    return [interval.estimate for interval in (*result.classes, result.mean)]


def strict(text: str) -> object:
    """Parse JSON, rejecting Python's NaN and Infinity."""

    def refuse(word: str) -> object:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


# --- numbers ----------------------------------------------------------------------------------------------


def test_the_case_worked_by_hand() -> None:
    dataset, predictions = by_hand()
    found = evaluate([predictions], dataset, FAST)
    assert [row.name for row in found.rows] == ["model, fused", "model, paper", "center of the image"]
    assert (found.dataset, found.images, found.positives) == ("by hand", 4, (2, 2))
    # Cats rank: image 0 right, 2 wrong, 1 right: 1/2 · 1 + 1/2 · 2/3. Dogs: 1 right, 2 right.
    for row in range(3):
        assert values(found, row, "classification") == pytest.approx([5 / 6, 1, 11 / 12])
    # Cat: hit, wrong, miss. Dog: hit (18 pixels away), miss (19).
    assert values(found, 0, "location") == pytest.approx([1 / 2, 1 / 2, 1 / 2])
    # The paper's points hit both cats.
    assert values(found, 1, "location") == pytest.approx([5 / 6, 1 / 2, 2 / 3])
    # The center is only on the second cat, which ranks third.
    assert values(found, 2, "location") == pytest.approx([1 / 2 * 1 / 3, 0, 1 / 12])
    # The tolerance is 15 pixels here, so the dog at 18 is missed.
    assert values(found, 0, "pointing") == pytest.approx([1 / 2, 0, 1 / 4])
    assert values(found, 1, "pointing") == pytest.approx([1, 0, 1 / 2])
    assert values(found, 2, "pointing") == pytest.approx([1 / 2, 0, 1 / 4])
    # Difficult: only the second image has two classes, and only its dog is small.
    assert math.isnan(values(found, 0, "pointing_difficult")[0])
    assert values(found, 0, "pointing_difficult")[1:] == [0, 0]


def test_rows_hold_what_the_metrics_say() -> None:
    rng = np.random.default_rng(11)
    classes, count = ("a", "b", "c"), 40
    samples = []
    for number in range(count):
        boxes = []
        for _ in range(rng.integers(0, 4)):
            x, y, w, h = rng.uniform(0, 250, 4)
            label, flags = int(rng.integers(3)), rng.random(2) < 0.2
            boxes.append(AnnotatedBox(label, x, y, x + w + 1, y + h + 1, bool(flags[0]), bool(flags[1])))
        labels = np.full(3, -1, np.int8)
        labels[[box.label for box in boxes]] = 1
        labels[rng.random(3) < 0.1] = 0
        samples.append(Sample(Path(f"{number}.jpg"), labels, tuple(boxes)))
    dataset = Dataset("random", classes, tuple(samples))
    sizes = tuple(Size(*map(int, rng.integers(300, 600, 2))) for _ in range(count))
    modes: tuple[LocationMode, ...] = ("fused", "paper")
    points = {mode: rng.uniform(0, 500, (count, 3, 2)) for mode in modes}
    responses = {mode: rng.random((count, 3), np.float32) for mode in modes}
    first = Predictions("one", sizes, rng.normal(size=(count, 3)).astype(np.float32), points, responses)
    second = Predictions("two", sizes, rng.normal(size=(count, 3)).astype(np.float32), points, responses)
    options = EvaluationOptions(
        flavour="11point",
        location=LocationOptions(
            ranking="response",
            tolerance=5,
            tolerance_frame="normalized",
            distance="euclidean",
            difficult="ignore",
            crowd="miss",
            flavour="11point",
        ),
        pointing=PointingOptions(tolerance=8, reach="pixel", difficult="miss", crowd="ignore"),
        resamples=20,
    )
    found = evaluate([first, second], dataset, options)
    objects = ground_truth_of(dataset)
    wanted = [
        ("one, fused", first, points["fused"], responses["fused"]),
        ("one, paper", first, points["paper"], responses["paper"]),
        ("two, fused", second, points["fused"], responses["fused"]),
        ("two, paper", second, points["paper"], responses["paper"]),
        ("center of the image", first, center_points(sizes, 3), first.scores),
    ]
    assert [row.name for row in found.rows] == [name for name, *_ in wanted]
    for row, (_, item, at, strength) in zip(found.rows, wanted, strict=True):
        results: dict[str, Ranking | LocationResult | PointingResult] = {
            "classification": classification_ranking(item.scores, dataset.labels, "11point"),
            "location": location_ap(
                at, sizes, objects, dataset.labels, item.scores, strength, options.location
            ),
            "pointing": pointing_game(at, sizes, objects, "all", options.pointing),
            "pointing_difficult": pointing_game(at, sizes, objects, "difficult", options.pointing),
        }
        assert list(row.measures) == list(results) == list(MEASURES)
        for key, result in results.items():
            intervals = row.measures[key]
            np.testing.assert_allclose([each.estimate for each in intervals.classes], result.per_class)
            assert intervals.mean.estimate == pytest.approx(result.mean)
            assert intervals.resamples == 20
            for interval in (*intervals.classes, intervals.mean):
                assert not interval.low > interval.high


def test_one_flavour_holds_for_classification_and_location() -> None:
    dataset, predictions = by_hand()
    options = EvaluationOptions(flavour="11point", resamples=20)
    assert options.location == LocationOptions(flavour="11point")
    found = evaluate([predictions], dataset, options)
    # Recall 0 to 0.5 at precision 1 is 6 of the 11 points.
    assert values(found, 0, "location") == pytest.approx([6 / 11, 6 / 11, 6 / 11])
    assert EvaluationOptions().location == LocationOptions()
    with pytest.raises(FreelocError, match=r"area.*11point.*one flavour"):
        EvaluationOptions(location=LocationOptions(flavour="11point"))


# --- JSON -------------------------------------------------------------------------------------------------


def test_json_is_strict_and_complete() -> None:
    dataset, predictions = by_hand()
    found = evaluate([predictions], dataset, FAST)
    page = found.to_dict()
    back = strict(json.dumps(page, allow_nan=False))
    assert back == page
    assert page["schema_version"] == 1
    assert (page["dataset"], page["images"]) == ("by hand", 4)
    assert page["positives"] == {"cat": 2, "dog": 2}
    assert page["options"]["location"]["tolerance"] == 18.0
    assert page["options"]["pointing"]["tolerance"] == 15.0
    assert [row["name"] for row in page["rows"]] == [row.name for row in found.rows]
    first = page["rows"][0]
    assert first["classification"]["classes"]["cat"]["value"] == pytest.approx(100 * 5 / 6, abs=5e-4)
    assert first["location"]["mean"]["value"] == 50.0
    assert first["pointing_difficult"]["classes"]["cat"] == {"value": None, "low": None, "high": None}
    for row in page["rows"]:
        for key in MEASURES:
            for each in (row[key]["mean"], *row[key]["classes"].values()):
                assert each["value"] is None or 0 <= each["low"] <= each["high"] <= 100


def test_models_with_probabilities_are_asked_how_true_they_are() -> None:
    dataset, predictions = by_hand()
    assert evaluate([predictions], dataset, FAST).calibration_reports == ()
    shares = np.full(predictions.scores.shape, 0.25, np.float32)
    told = replace(predictions, probabilities=shares, calibrated=True)
    options = replace(FAST, calibration=CalibrationOptions(4))
    found = evaluate([told, replace(told, name="raw", calibrated=False)], dataset, options)
    assert [(truth.name, truth.calibrated) for truth in found.calibration_reports] == [
        (told.name, True),
        ("raw", False),
    ]
    wanted = calibration_error(shares, dataset.labels, CalibrationOptions(4))
    assert found.calibration_reports[0].result.error.estimate == wanted > 0
    page = found.to_dict()
    assert strict(json.dumps(page, allow_nan=False)) == page
    assert page["options"]["calibration"] == {"bins": 4, "binning": "width"}
    (one, other) = page["calibration"]
    assert (one["name"], one["calibrated"], other["calibrated"]) == (told.name, True, False)
    assert one["error"]["value"] == pytest.approx(100 * wanted, abs=5e-4)
    assert one["error_per_class"]["classes"].keys() == {"cat", "dog"}
    known = int((dataset.labels != 0).sum())
    assert [part["pairs"] for part in one["bins"]] == [0, known, 0, 0]
    assert one["bins"][1]["probability"] == 25
    assert one["bins"][0] == {"from": 0, "to": 25, "pairs": 0, "probability": None, "present": None}


# --- detectors --------------------------------------------------------------------------------------------


def boxes_by_hand() -> Detections:
    """Boxes in the images of `by_hand`: no cats in 2 and 3, no dogs in 0 and 3."""
    return Detections.build(
        [0, 0, 1, 1, 2],
        [0, 0, 0, 1, 1],
        [0.9, 0.2, 0.8, 0.7, 0.6],
        [
            [10, 10, 110, 110],  # the cat
            [300, 300, 400, 400],  # not the highest-scoring box of its class
            [20, 100, 80, 300],  # next to the cat: the center is 50 pixels off
            [400, 10, 490, 35],  # the upper half of the dog: overlap 0.5
            [10, 300, 60, 329],  # the upper third of the dog: overlap 0.32, with the center on the dog
        ],
    )


def test_a_detector_worked_by_hand() -> None:
    dataset, predictions = by_hand()
    found = evaluate([predictions], dataset, FAST, detections={"boxes": boxes_by_hand()})
    assert [row.name for row in found.rows] == [
        "model, fused",
        "model, paper",
        "boxes, surest box",
        "center of the image",
    ]
    # Both cats and both dogs rank first.
    assert values(found, 2, "classification") == [1, 1, 1]
    # Cat: hit, miss. Dog: hit, hit.
    assert values(found, 2, "location") == [1 / 2, 1, 3 / 4]
    assert values(found, 2, "pointing") == [1 / 2, 1, 3 / 4]
    # Cats: hit, wrong (overlap 0), wrong. Dogs: the second overlaps by 0.32.
    assert values(found, 2, "box_ap_50") == [1 / 2, 1 / 2, 1 / 2]
    assert values(found, 2, "box_ap_30") == values(found, 2, "box_ap_10") == [1 / 2, 1, 3 / 4]
    # The other rows are unchanged, and the baseline ranks by the model.
    alone = evaluate([predictions], dataset, FAST)
    page = found.to_dict()
    assert [page["rows"][place] for place in (0, 1, 3)] == alone.to_dict()["rows"]
    assert strict(json.dumps(page, allow_nan=False)) == page
    assert page["options"]["box_iou"] == [0.5, 0.3, 0.1]
    assert page["rows"][2]["box_ap_30"]["mean"]["value"] == 75.0
    assert [key for key in page["rows"][0] if key.startswith("box")] == []


def test_a_detector_needs_no_model(tmp_path: Path) -> None:
    dataset, _ = by_hand()
    samples = []
    for item in dataset:
        Image.new("RGB", (SIZE.width, SIZE.height)).save(tmp_path / item.path.name)
        samples.append(Sample(tmp_path / item.path.name, item.labels, item.boxes))
    dataset = Dataset("on disk", CLASSES, tuple(samples))
    options = EvaluationOptions(resamples=20, box_iou=(0.75, 0.625), flavour="11point")
    detections = boxes_by_hand()
    # A detector without boxes is valid, too.
    found = evaluate([], dataset, options, detections={"boxes": detections, "none": Detections.build()})
    assert [row.name for row in found.rows] == [
        "boxes, surest box",
        "none, surest box",
        "center of the image",
    ]
    assert list(found.rows[0].measures) == [*MEASURES, "box_ap_75", "box_ap_62.5"]
    scores, points = best_boxes(detections, 4, 2)
    objects = ground_truth_of(dataset)
    sizes = [SIZE] * 4
    wanted = {
        "classification": classification_ranking(scores, dataset.labels, "11point").per_class,
        "location": location_ap(
            points, sizes, objects, dataset.labels, scores, options=options.location
        ).per_class,
        "pointing": pointing_game(points, sizes, objects).per_class,
        **dict(
            zip(
                map(box_measure, options.box_iou),
                detection_ap(detections, objects, 2, options.box_iou, "11point"),
            )
        ),
    }
    for key, per_class in wanted.items():
        np.testing.assert_allclose(values(found, 0, key)[:-1], per_class)
    assert values(found, 1, "location") == values(found, 1, "box_ap_75") == [0, 0, 0]
    # The image center is ranked by the first detector.
    center = location_ap(
        center_points(sizes, 2), sizes, objects, dataset.labels, scores, options=options.location
    )
    np.testing.assert_allclose(values(found, 2, "location")[:-1], center.per_class)


def test_something_must_be_measured() -> None:
    dataset, _ = by_hand()
    with pytest.raises(
        FreelocError, match="nothing to evaluate: pass the predictions of a model, or detections"
    ):
        evaluate([], dataset, FAST)
    with pytest.raises(FreelocError, match="box IoU is 1.5"):
        EvaluationOptions(box_iou=(0.5, 1.5))


def test_rows_of_ones_own_and_their_differences() -> None:
    dataset, predictions = by_hand()
    annotations = Annotations.read(dataset, predictions.sizes)
    found = evaluate([predictions], dataset, FAST)
    fused, paper = (
        point_metrics(
            predictions.scores, predictions.points[mode], predictions.responses[mode], annotations, FAST
        )
        for mode in ("fused", "paper")
    )
    for row, mode, metrics in zip(found.rows, ("fused", "paper"), (fused, paper)):
        # Compared as text, in which NaN equals NaN.
        assert repr(Row(f"model, {mode}", intervals(metrics, FAST))) == repr(row)
    assert list(fused) == list(MEASURES)
    for key, metric in fused.items():
        assert repr(bootstrap_intervals(metric, 20)) == repr(found.rows[0].measures[key])
    difference = paired_bootstrap(paper["location"], fused["location"], 200)
    assert difference.mean.estimate == pytest.approx(2 / 3 - 1 / 2)
    assert difference.first_better > 0.5


# --- mistakes ---------------------------------------------------------------------------------------------


def test_boxes_of_only_some_images_are_refused() -> None:
    dataset, predictions = by_hand()
    bare = replace(dataset, samples=(replace(dataset.samples[0], boxes=None), *dataset.samples[1:]))
    with pytest.raises(FreelocError, match=r"0\.jpg has no boxes"):
        evaluate([predictions], bare, FAST)
    with pytest.raises(FreelocError, match=r"0\.jpg has no boxes"):
        check_evaluable(bare, {"model": CLASSES})


def test_without_boxes_only_the_scores_of_images_are_evaluated() -> None:
    dataset, predictions = by_hand()
    bare = replace(dataset, samples=tuple(replace(sample, boxes=None) for sample in dataset))
    check_evaluable(bare, {"model": CLASSES})
    with_boxes = evaluate([predictions], dataset, FAST)
    found = evaluate(
        [predictions], bare, FAST, detections={"detector": Detections.build([0], [0], [1], [[0, 0, 9, 9]])}
    )
    assert (with_boxes.boxes, found.boxes) == (True, False)
    assert [row.name for row in found.rows] == [predictions.name, "detector, surest box"]
    assert [list(row.measures) for row in found.rows] == [["classification"]] * 2
    assert repr(found.rows[0].measures["classification"]) == repr(
        with_boxes.rows[0].measures["classification"]
    )
