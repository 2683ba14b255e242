"""The whole computation of a localizer as a graph: from the pixels of an image to scores, maps and points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from freeloc._literals import LocationMode
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.decision import DecisionRule
from freeloc.inference.early_exit import UNDECIDED_SCORE
from freeloc.inference.presets import ScalePlan
from freeloc.inference.score_map import FUSION_GAIN
from freeloc.posttraining.export.axis import ImageAxis
from freeloc.posttraining.export.graph import Graph, Value
from freeloc.posttraining.export.points import highest_cells, highest_on_lattice
from freeloc.posttraining.export.pooling import pooling_function
from freeloc.posttraining.export.resampling import resize

__all__ = ["Computation", "build_graph"]


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
        location: how points are located.
        size: the size of all images; None for images of any size.
    """

    network: onnx.ModelProto
    plan: ScalePlan
    pyramid: Pyramid
    layout: CellLayout
    pad_color: tuple[int, int, int]
    pooling: str
    decision: DecisionRule
    location: LocationMode = "fused"
    size: Size | None = None


def build_graph(computation: Computation) -> onnx.ModelProto:
    """Return the graph of a localizer.

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
    combine = _mean if computation.location == "fused" else _highest
    scores, maps, *points = combine(known)
    if first < len(scales):

        def all_scales() -> tuple[Value, ...]:
            return combine([*known, *(_score(image, axes, computation, scale) for scale in scales[first:])])

        is_undecided = scores.map("Abs").reduce("Min", 0).is_less(UNDECIDED_SCORE)
        scores, maps, *points = graph.choose(is_undecided, all_scales, lambda: (scores, maps, *points))
    count = computation.network.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    lattice = [axis.lattice.constant for axis in axes]
    rows, cols = (
        name if side is None else int(side) for name, side in zip(("rows", "cols"), lattice, strict=True)
    )
    return graph.finish(
        [
            ("scores", scores, [count]),
            ("probabilities", _probabilities(scores, computation.decision), [count]),
            ("points", points[0] if points else highest_on_lattice(maps, axes), [count, 2]),
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
) -> tuple[Value, ...]:
    """Return the (K,) scores and the (K, rows, cols) maps on the lattice at one scale.

    The maps are those of the logistic function for points located as "fused". Otherwise, they are raw scores, and
    the (K, 2) points and the (K,) scores at them follow.
    """
    down, across = (axis.at_scale(computation.pyramid, scale, computation.layout) for axis in axes)
    resized, size = image, (axes[0].length, axes[1].length)
    for target in zip(down.lengths, across.lengths, strict=True):
        resized, size = resize(resized, size, target), target
    canvas = _pad(resized, size, (down.canvas, across.canvas), computation.pad_color)
    raw = image.graph.call(computation.network, canvas)
    valid = raw.first((down.valid, across.valid), (2, 3))
    scores = pooling_function(computation.pooling)(valid, down.valid * across.valid)
    fused = computation.location == "fused"
    values = ((valid * float(FUSION_GAIN)).map("Sigmoid") if fused else valid).without_axis(0)
    maps = down.sampling_weights() @ values @ across.sampling_weights().transpose(1, 0)
    return (scores, maps) if fused else (scores, maps, *highest_cells(values, (down, across)))


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


def _mean(outputs: Sequence[tuple[Value, ...]]) -> tuple[Value, ...]:
    """Return the means of the scores and of the maps over scales."""
    scores, maps = outputs[0]
    for more_scores, more_maps in outputs[1:]:
        scores, maps = scores + more_scores, maps + more_maps
    return scores / len(outputs), maps / len(outputs)


def _highest(outputs: Sequence[tuple[Value, ...]]) -> tuple[Value, ...]:
    """Return the mean scores, the highest maps, and the points of the highest cells of all scales."""
    scores, maps, points, responses = outputs[0]
    for more_scores, more_maps, more_points, more_responses in outputs[1:]:
        scores, maps = scores + more_scores, maps.or_larger(more_maps)
        is_higher = responses.is_less(more_responses)
        points = is_higher.with_axes(1).where(more_points, points)
        responses = responses.or_larger(more_responses)
    return scores / len(outputs), maps, points


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
