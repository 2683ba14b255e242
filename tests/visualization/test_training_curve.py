"""The curve of a training run as an SVG file."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from freeloc.visualization.training_curve import TrainingCurve, render_curve

SVG = "{http://www.w3.org/2000/svg}"


def lines_of(text: str) -> list[list[tuple[float, float]]]:
    root = ET.fromstring(text)
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.attrib["points"].split())]
        for line in root.iter(f"{SVG}polyline")
    ]


def test_one_line_without_validation() -> None:
    text = render_curve(TrainingCurve([1, 2, 3], [2.0, 1.0, 0.5]))
    (loss,) = lines_of(text)
    assert len(loss) == 3
    (x1, y1), (x2, y2), (x3, y3) = loss
    assert x1 < x2 < x3
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 < y2 < y3  # down the page, as the loss falls
    assert y2 - y1 == pytest.approx(2 * (y3 - y2), abs=0.3)
    assert "mAP" not in text
    assert "dashed" not in text


def test_validation_adds_its_lines_and_the_best_epoch() -> None:
    curve = TrainingCurve(
        list(range(1, 41)),
        [1 / n for n in range(1, 41)],
        [1 / n + 0.1 for n in range(1, 41)],
        [n / 50 for n in range(1, 41)],
        best_epoch=40,
    )
    text = render_curve(curve)
    ap, training, validation = lines_of(text)
    assert len(ap) == len(training) == len(validation) == 40
    assert ap[0][1] > ap[-1][1]
    assert all(other[1] < own[1] for own, other in zip(training, validation, strict=True))
    assert "the dashed line marks epoch 40" in text
    ticks = [float(value) for value in re.findall(r'text-anchor="end"[^>]*>([\d.]+)<', text)]
    assert ticks[0] <= 2 < 80 <= max(ticks)  # percent
    assert text == render_curve(curve)


@pytest.mark.parametrize("loss", [[0.5], [0.7, 0.7], [float("nan"), 0.5], [1e-9, 2e-9], [3e8, 1.0]])
def test_unusual_values(loss: list[float]) -> None:
    text = render_curve(TrainingCurve(range(1, len(loss) + 1), loss))
    assert "nan" not in text.lower()
    for line in lines_of(text):
        assert all(0 <= y <= 300 for _, y in line)


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        render_curve(TrainingCurve([], []))
    with pytest.raises(ValueError, match="one value per epoch"):
        render_curve(TrainingCurve([1, 2], [0.1]))


def test_a_single_epoch_is_a_dot_between_two_different_values() -> None:
    text = render_curve(TrainingCurve([1], [3.1131]))
    (dot,) = ET.fromstring(text).iter(f"{SVG}circle")
    assert 30 <= float(dot.attrib["cy"]) <= 200
    ticks = [float(value) for value in re.findall(r'text-anchor="end"[^>]*>([\d.]+)<', text)]
    assert len(set(ticks)) == len(ticks) > 1
    assert min(ticks) <= 3.1131 <= max(ticks)
    assert not list(ET.fromstring(render_curve(TrainingCurve([1, 2], [3.0, 2.0]))).iter(f"{SVG}circle"))
