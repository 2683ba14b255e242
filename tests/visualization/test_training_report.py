"""The page about a trained model, from its content."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from PIL import Image

from freeloc.metrics import Interval
from freeloc.visualization.html_report import render_report
from freeloc.visualization.training_curve import TrainingCurve, render_curve
from freeloc.visualization.training_report import (
    ClassExamples,
    ClassSummary,
    Example,
    LikelyError,
    TrainingReport,
    training_report,
)

EXAMPLE = Example(Image.new("RGB", (60, 40), "red"), "a.jpg (tagged, 0.93)")
CONTENT = TrainingReport(
    title="Training of <run>",
    facts=[("classes", "dog, cat"), ("training images", "108 of pets")],
    curve=render_curve(TrainingCurve([1, 2], [1.0, 0.5])).encode(),
    choice=["The model has the weights of epoch 2.", "Training took all 2 epochs."],
    measured_on="12 validation images",
    out_of_sample=True,
    mean_ap=Interval(0.912, 0.8, 0.97),
    classes=[
        ClassSummary("dog", 50, 6, Interval(0.874, 0.71, 0.99), 0.41, 5, 1),
        ClassSummary("cat", 40, 5, Interval(0.95, math.nan, math.nan), 0.5, 5, 0),
        ClassSummary("yak", 3, 0, Interval(math.nan, math.nan, math.nan), 0.5, 0, 0),
    ],
    calibrated=True,
    examples=[ClassExamples("dog", [EXAMPLE] * 3, [EXAMPLE]), ClassExamples("cat", [EXAMPLE], [])],
    examples_from="validation images",
    likely_errors=[LikelyError("pets/b.jpg", "cat", False, 0.98)],
)


def text_of(content: TrainingReport) -> str:
    html = render_report(training_report(content))
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>|data:[^\"]+", " ", html, flags=re.DOTALL))


def test_everything_is_on_one_page() -> None:
    html = render_report(training_report(CONTENT))
    assert "<script" not in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert "Training of &lt;run&gt;" in html
    assert html.count("data:image/jpeg") == 3  # right and wrong of dog, right of cat
    assert html.count("data:image/svg+xml") == 1
    text = text_of(CONTENT)
    assert "On 12 validation images, the mean classification AP is 91.2 [80.0, 97.0]" in text
    assert (
        "The class with the lowest AP is dog (87.4), and the class with the highest AP is cat (95.0)." in text
    )
    assert "does not fall. The model has the weights of epoch 2. Training took all 2 epochs." in text
    assert "dog 50 6 87.4 [71.0, 99.0] 0.41 5 1 1" in text
    assert "cat 40 5 95.0 0.50 5 0 0" in text
    assert "yak 3 0 – 0.50 0 0 0" in text
    assert "pets/b.jpg cat no 0.98" in text
    assert "No wrong image among the validation images." in text
    assert "calibrated" not in text
    assert "knows their tags" not in text


def test_without_validation_it_says_what_is_missing() -> None:
    bare = replace(
        CONTENT,
        mean_ap=None,
        out_of_sample=False,
        calibrated=False,
        likely_errors=None,
        curve=None,
        measured_on="60 training images",
        examples_from="training images",
        classes=[replace(item, ap=None) for item in CONTENT.classes],
        missing=["There are no validation images."],
    )
    text = text_of(bare)
    assert "What is missing There are no validation images." in text
    assert "was not measured" in text
    assert "AP [95% interval]" not in text
    assert "Measured on 60 training images. The model was trained on these images" in text
    assert "The probabilities are not calibrated" in text
    assert "Curve" not in text
    assert "They only stand out among images on which it was not trained." in text
    assert "None among 12 validation images." in text_of(replace(CONTENT, likely_errors=[]))
