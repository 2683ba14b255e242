"""The whole computation of a localizer as a graph: from the pixels of an image to scores, maps and points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.decision import DecisionRule
from freeloc.inference.early_exit import UNDECIDED_SCORE
from freeloc.inference.presets import ScalePlan
from freeloc.inference.score_map import FUSION_GAIN
from freeloc.posttraining.export.axis import ImageAxis
from freeloc.posttraining.export.graph import Graph, Value
from freeloc.posttraining.export.pooling import pooling_function
from freeloc.posttraining.export.resampling import resize

__all__ = ["Computation", "build_graph"]

_FAR: Final = 1e30
"""A squared distance that no two positions of an image have."""


@dataclass(frozen=True, eq=False)
class Computation:
    """What an exported model computes.

    Attributes:
        network: the network, from canvas to raw scores; see `freeloc.posttraining.export.network.convert_network`.
        plan: the scales.
        pyramid: how canvases are made.
        layout: the backbone's layout of cells.
        pad_color: RGB color of the padding.
        pooling: how score maps are pooled to scores.
        decision: how scores become probabilities.
        size: the size of all images; None for images of any size.
    """

    network: onnx.ModelProto
    plan: ScalePlan
    pyramid: Pyramid
    layout: CellLayout
    pad_color: tuple[int, int, int]
    pooling: str
    decision: DecisionRule
    size: Size | None = None


def build_graph(computation: Computation) -> onnx.ModelProto:
    """Return the graph of a localizer, whose points are those of the mode "fused".

    The input is ``image``, (height, width, 3) uint8 RGB. The outputs are ``scores`` and ``probabilities``, (K,)
    float32; ``points``, (K, 2) float32 x and y in image coordinates; and ``maps``, (K, rows, cols) float32 on the
    lattice. They are the attributes of `freeloc.Localization` with the same names.

    Raises:
        ModelError: the model's pooling cannot be exported.
    """
    graph = Graph("freeloc")
    size = computation.size
    shape: list[int | str] = ["height", "width", 3] if size is None else [size.height, size.width, 3]
    image = graph.add_input("image", np.uint8, shape)
    axes = _axes(graph, image, size)
    scales = computation.plan.scales
    first = computation.plan.early_exit_after or len(scales)
    known = [_score(image, axes, computation, scale) for scale in scales[:first]]
    scores, maps = _mean(known)
    if first < len(scales):

        def all_scales() -> tuple[Value, ...]:
            return _mean([*known, *(_score(image, axes, computation, scale) for scale in scales[first:])])

        is_undecided = scores.map("Abs").reduce("Min", 0).is_less(UNDECIDED_SCORE)
        scores, maps = graph.choose(is_undecided, all_scales, lambda: (scores, maps))
    count = computation.network.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    lattice = [axis.lattice.constant for axis in axes]
    rows, cols = (
        name if side is None else int(side) for name, side in zip(("rows", "cols"), lattice, strict=True)
    )
    return graph.finish(
        [
            ("scores", scores, [count]),
            ("probabilities", _probabilities(scores, computation.decision), [count]),
            ("points", _highest_points(maps, axes), [count, 2]),
            ("maps", maps, [count, rows, cols]),
        ]
    )


def _axes(graph: Graph, image: Value, size: Size | None) -> tuple[ImageAxis, ImageAxis]:
    """Return the vertical and the horizontal axis of the image."""
    if size is None:
        lengths = image.length(0), image.length(1)
    else:
        lengths = graph.constant(np.int64(size.height)), graph.constant(np.int64(size.width))
    longest = lengths[0].or_larger(lengths[1])
    return ImageAxis.of(lengths[0], longest), ImageAxis.of(lengths[1], longest)


def _score(
    image: Value, axes: tuple[ImageAxis, ImageAxis], computation: Computation, scale: float
) -> tuple[Value, Value]:
    """Return the (K,) scores and the (K, rows, cols) sigmoid map on the lattice at one scale."""
    down, across = (axis.at_scale(computation.pyramid, scale, computation.layout) for axis in axes)
    resized, size = image, (axes[0].length, axes[1].length)
    for target in zip(down.lengths, across.lengths, strict=True):
        resized, size = resize(resized, size, target), target
    canvas = _pad(resized, size, (down.canvas, across.canvas), computation.pad_color)
    raw = image.graph.call(computation.network, canvas)
    valid = raw.first((down.valid, across.valid), (2, 3))
    scores = pooling_function(computation.pooling)(valid, down.valid * across.valid)
    softened = (valid * float(FUSION_GAIN)).map("Sigmoid").without_axis(0)
    return scores, down.sampling_weights() @ softened @ across.sampling_weights().transpose(1, 0)


def _pad(
    image: Value, size: tuple[Value, Value], canvas: tuple[Value, Value], color: tuple[int, int, int]
) -> Value:
    """Return the (1, H, W, 3) float32 canvas of a resized (h, w, 3) uint8 image; see `freeloc.images.canvas`."""
    graph = image.graph
    shown = [length.or_smaller(side) for length, side in zip(size, canvas, strict=True)]
    missing = [side - length for length, side in zip(shown, canvas, strict=True)]
    # Padding is zero, so the color is subtracted before and added afterwards.
    shift = graph.constant(np.array(color, np.float32))
    centered = image.first(shown, (0, 1)).cast(np.float32) - shift
    return (graph.op("Pad", centered, graph.vector(0, 0, 0, *missing, 0)) + shift).with_axes(0)


def _mean(outputs: Sequence[tuple[Value, Value]]) -> tuple[Value, Value]:
    """Return the means of the scores and of the maps over scales."""
    scores, maps = outputs[0]
    for more_scores, more_maps in outputs[1:]:
        scores, maps = scores + more_scores, maps + more_maps
    return scores / len(outputs), maps / len(outputs)


def _probabilities(scores: Value, decision: DecisionRule) -> Value:
    """Return `freeloc.inference.decision.DecisionRule.probabilities`."""
    calibration = decision.calibration
    if calibration is None:
        return scores.map("Sigmoid")
    slopes, offsets = (
        scores.graph.constant(np.array(values, np.float32))
        for values in (calibration.slopes, calibration.offsets)
    )
    return (scores * slopes + offsets).map("Sigmoid")


def _highest_points(maps: Value, axes: tuple[ImageAxis, ImageAxis]) -> Value:
    """Return the (K, 2) x and y of the maxima of maps; of equal maxima, that of the one nearest the center."""
    ys, xs = (axis.lattice_positions() for axis in axes)
    offsets = [
        positions - axis.length.cast(np.float64) / 2 for positions, axis in zip((ys, xs), axes, strict=True)
    ]
    distances = ((offsets[0] * offsets[0]).with_axes(1) + offsets[1] * offsets[1]).cast(np.float32)
    is_highest = maps.equals(maps.reduce("Max", 1, 2, keepdims=True))
    candidates = is_highest.where(distances, maps.graph.constant(np.float32(_FAR)))
    best = maps.graph.op("ArgMin", candidates.flat(1), dtype=np.int64, axis=1, keepdims=0)
    rows = best // axes[1].lattice
    cols = best - rows * axes[1].lattice
    points = [positions.cast(np.float32).take(index, 0) for positions, index in ((xs, cols), (ys, rows))]
    return maps.graph.op("Concat", *(values.with_axes(1) for values in points), axis=1)
