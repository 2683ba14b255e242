"""Tables of an evaluation: all values are present, and names are printed verbatim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeloc._printable import printable
from freeloc.datasets import AnnotatedBox, Dataset, Sample
from freeloc.evaluation.calibration_report import calibration_report
from freeloc.evaluation.collect import Predictions
from freeloc.evaluation.evaluate import Evaluation, evaluate
from freeloc.evaluation.measures import MEASURES
from freeloc.evaluation.options import EvaluationOptions
from freeloc.geometry.size import Size
from freeloc.io.text import is_encodable
from freeloc.metrics import CalibrationOptions, Detections
from freeloc.visualization.evaluation_table import print_evaluation, render_evaluation
from tests.hostile_names import HOSTILE, is_safe


def small(classes: tuple[str, str] = ("cat", "dog"), name: str = "model") -> Evaluation:
    """Two images of the first class, found in one of them; none of the second."""
    samples = tuple(
        Sample(Path(f"{number}.jpg"), np.array([1, -1], np.int8), (AnnotatedBox(0, 0, 0, 50, 50),))
        for number in range(2)
    )
    points = np.array([[[20.0, 20.0]] * 2, [[300.0, 300.0]] * 2])
    ones = np.array([[2, 1], [1, 2]], np.float32)
    predictions = Predictions(name, (Size(500, 400),) * 2, ones, {"fused": points}, {"fused": ones})
    return evaluate([predictions], Dataset("two images", classes, samples), EvaluationOptions())


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│┃|").replace("┃", "│").split("│")]


def test_both_tables_hold_the_numbers() -> None:
    page = render_evaluation(small())
    lines = [cells(line) for line in page.splitlines()]
    assert "two images: 2 images" in page
    assert all(title in page for title in MEASURES.values())
    summary = next(line for line in lines if line[0] == "model, fused")
    assert summary[1] == "100.0 [100.0, 100.0]"
    assert summary[2].startswith("50.0 [")
    assert summary[3].startswith("50.0 [")
    cat = next(line for line in lines if line[0] == "cat")
    assert cat[1:] == ["2", "100.0", "50.0", "0.0"]
    mean = next(line for line in lines if line[0] == "mean")
    assert mean[1:] == ["", "100.0", "50.0", "0.0"]


def test_a_line_says_how_true_the_probabilities_are() -> None:
    evaluation = small()
    assert "calibration error" not in render_evaluation(evaluation)
    shares = np.array([[0.9, 0.1], [0.8, 0.1]], np.float32)
    labels = np.array([[1, -1], [1, -1]])
    truth = calibration_report(
        "[b]model", shares, labels, CalibrationOptions(), calibrated=True, resamples=10
    )
    page = render_evaluation(replace(evaluation, calibration_reports=(truth,)))
    (line,) = (line for line in page.splitlines() if "calibration error" in line)
    # (0.1 + 0.2 + 0.1 + 0.1) / 4, and the mean of 0.15 and 0.1.
    assert line.startswith("[b]model: calibration error 12.5 [")
    assert "mean over classes 12.5 [" in line
    assert "Brier score 1.8 [" in line
    assert line.endswith("(calibrated; %)")


def test_what_cannot_be_measured_is_a_dash() -> None:
    lines = [cells(line) for line in render_evaluation(small()).splitlines()]
    # No image contains a dog, and none contains two classes, so there is no difficult pair.
    assert next(line for line in lines if line[0] == "dog")[1:] == ["0", "–", "–", "–"]
    assert next(line for line in lines if line[0] == "model, fused")[4] == "–"
    assert "nan" not in render_evaluation(small()).lower()


def test_boxes_have_a_table_of_their_own() -> None:
    assert "boxes" not in render_evaluation(small())
    samples = (Sample(Path("0.jpg"), np.array([1, -1], np.int8), (AnnotatedBox(0, 0, 0, 50, 50),)),)
    ones = np.ones((1, 2), np.float32)
    points = np.full((1, 2, 2), 20.0)
    predictions = Predictions("model", (Size(500, 400),), ones, {"fused": points}, {"fused": ones})
    found = Detections.build([0], [0], [0.5], [[0, 0, 50, 20]])
    page = render_evaluation(
        evaluate(
            [predictions],
            Dataset("one", ("cat", "dog"), samples),
            EvaluationOptions(),
            detections={"[b]": found},
        )
    )
    lines = [cells(line) for line in page.splitlines()]
    start = next(place for place, line in enumerate(lines) if line[0] == "boxes of")
    assert lines[start][1:] == ["IoU 0.5", "IoU 0.3", "IoU 0.1"]
    assert lines[start + 2] == ["[b], surest box", "0.0 [0.0, 0.0]", *["100.0 [100.0, 100.0]"] * 2]
    assert lines[start + 3][0].startswith("└")


def test_names_are_no_markup() -> None:
    page = render_evaluation(small(("[red]fox", "a[/]:cat:"), name="runs/[b]"))
    for name in ("[red]fox", "a[/]:cat:", "runs/[b], fused"):
        assert name in page


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_names_are_safe_to_print(name: str) -> None:
    # A dataset refuses class names that UTF-8 cannot encode.
    class_name = name if is_encodable(name) else "cat"
    evaluation = small((class_name, "dog"), name=name)
    shares, labels = np.full((2, 2), 0.5, np.float32), np.array([[1, -1], [1, -1]])
    report = calibration_report(name, shares, labels, CalibrationOptions(), calibrated=True, resamples=2)
    page = render_evaluation(replace(evaluation, dataset=name, calibration_reports=(report,)))
    assert is_safe(page)
    assert not any(line.startswith("freeloc") for line in page.splitlines())
    assert printable(name)[:3] in page


def test_printing_gives_the_same_tables(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = small()
    print_evaluation(evaluation)
    assert capsys.readouterr().out == render_evaluation(evaluation)
