"""The curve of a training run: loss and, with validation images, mAP after each epoch, as an SVG file.

It is a template rather than a matplotlib figure, because every training run draws it, and matplotlib is an
optional dependency.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from freeloc.visualization.html_templates import render_template
from freeloc.visualization.plots import BLUE, GREEN, RED

__all__ = ["TrainingCurve", "render_curve"]

_WIDTH: Final = 720
_LEFT: Final = 56
_RIGHT: Final = 16
_TOP: Final = 30
_BOTTOM: Final = 40
_PLOT_HEIGHT: Final = 170
_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class TrainingCurve:
    """What happened in each epoch.

    Attributes:
        epochs: numbers of the epochs, ascending.
        loss: training loss of each epoch.
        validation_loss: validation loss after each epoch; empty without validation images.
        validation_ap: validation mAP after each epoch, from 0 to 1; empty without validation images.
        best_epoch: the epoch whose weights the model has; None for the last one.
    """

    epochs: Sequence[int]
    loss: Sequence[float]
    validation_loss: Sequence[float] = ()
    validation_ap: Sequence[float] = ()
    best_epoch: int | None = None


@dataclass(frozen=True)
class _Line:
    name: str
    color: str
    positions: Sequence[tuple[float, float]]

    @property
    def points(self) -> str:
        """The positions, as SVG writes them."""
        return " ".join(f"{x},{y}" for x, y in self.positions)

    @property
    def only_point(self) -> tuple[float, float] | None:
        """The position if there is only one, of which a line would show nothing."""
        return self.positions[0] if len(self.positions) == 1 else None


@dataclass(frozen=True)
class _Plot:
    """One diagram: its position, lines and ticks, in pixels of the picture."""

    title: str
    top: float
    lines: Sequence[_Line]
    ticks: Sequence[tuple[float, str]]


def render_curve(curve: TrainingCurve) -> str:
    """Return the curve as the text of an SVG file; equal curves yield equal text.

    Raises:
        ValueError: there is no epoch, or the numbers of values differ.
    """
    series = (curve.loss, curve.validation_loss, curve.validation_ap)
    if not curve.epochs or any(len(values) not in {0, len(curve.epochs)} for values in series):
        raise ValueError("a curve needs at least one epoch, and one value per epoch")
    plots: list[_Plot] = []
    if curve.validation_ap:
        percent = [100 * value for value in curve.validation_ap]
        plots.append(_plot("mAP on the validation images, in percent", curve, {"": (GREEN, percent)}, plots))
    losses = {"training": (BLUE, curve.loss)}
    if curve.validation_loss:
        losses["validation"] = (RED, curve.validation_loss)
    plots.append(_plot("loss", curve, losses, plots))
    best = curve.best_epoch
    return render_template(
        "training_curve.svg.j2",
        width=_WIDTH,
        height=_top_of(len(plots)) - _TOP + _BOTTOM,
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        plot_height=_PLOT_HEIGHT,
        plots=plots,
        epoch_ticks=[(_x(curve, epoch), str(epoch)) for epoch in _epoch_ticks(curve)],
        best=None if best is None else (_x(curve, best), best),
    )


def _plot(
    title: str, curve: TrainingCurve, lines: dict[str, tuple[str, Sequence[float]]], above: Sequence[_Plot]
) -> _Plot:
    top = _top_of(len(above))
    values = [value for _, series in lines.values() for value in series if math.isfinite(value)]
    low, high, step = _nice_range(min(values, default=0.0), max(values, default=1.0))

    def y(value: float) -> float:
        return round(top + _PLOT_HEIGHT * (1 - (value - low) / (high - low)), 1)

    drawn = [
        _Line(
            name,
            color,
            [
                (_x(curve, epoch), y(value))
                for epoch, value in zip(curve.epochs, series, strict=True)
                if math.isfinite(value)
            ],
        )
        for name, (color, series) in lines.items()
    ]
    count = round((high - low) / step)
    ticks = [(y(low + step * index), f"{round(low + step * index, 6):g}") for index in range(count + 1)]
    return _Plot(title, top, drawn, ticks)


def _top_of(index: int) -> float:
    """Return the top of the plot with this index."""
    return _TOP + index * (_PLOT_HEIGHT + _TOP)


def _x(curve: TrainingCurve, epoch: int) -> float:
    first, last = curve.epochs[0], curve.epochs[-1]
    fraction = 0.5 if first == last else (epoch - first) / (last - first)
    return round(_LEFT + fraction * (_WIDTH - _LEFT - _RIGHT), 1)


def _epoch_ticks(curve: TrainingCurve) -> list[int]:
    step = max(1, round(_nice_step(len(curve.epochs) / 8)))
    return [epoch for epoch in curve.epochs if epoch % step == 0] or [curve.epochs[-1]]


def _nice_range(low: float, high: float) -> tuple[float, float, float]:
    """Return a range with round ends that contains all values, and the distance of its ticks.

    Equal values get a range of about a tenth of their size, so that tiny differences do not fill the plot.
    """
    step = _nice_step(max(high - low, 0.1 * abs(high), 1e-6) / 4)
    bottom = math.floor(low / step) * step
    top = math.ceil(high / step) * step
    return bottom, top if top > bottom else bottom + step, step


def _nice_step(step: float) -> float:
    """Return the next round number: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in _STEPS if factor * power >= step * (1 - 1e-9))
