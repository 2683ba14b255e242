"""Which layers of the network the time goes into, by the runtime's own clock.

    python -m benchmarks.layers --data VOCdevkit/VOC2012 --model run/model.safetensors

OpenVINO tells after a run how long every layer took. They are summed by kind: 1×1 convolutions, which do nearly
all of the multiplications; depthwise and other convolutions with neighbours, which do few and move many values;
and the rest, such as sums, changes of layout and the reading of the maps.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from typing import Any

import numpy as np
import openvino

from benchmarks.layers_page import DEPTHWISE, KINDS, NEIGHBOURS, OTHERS, POINTWISE
from benchmarks.machine import describe, measure_ceiling
from benchmarks.record import update_record
from benchmarks.settings import Settings, add_common, out_folder, run, settings_of
from benchmarks.subject import Subject, add_model, subject_of
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.inference.multiscale import ScaleInput
from freeloc.inference.scoring_graph import scoring_layers
from freeloc.io.progress import print_status
from freeloc.runtime.compile import network_graph

__all__ = ["KINDS", "main", "measure_layers"]


def measure_layers(subject: Subject, settings: Settings) -> dict[str, Any]:
    """Milliseconds and operations of the layers by kind, at the largest scale, all cores on one canvas.

    Args:
        subject: the model and images.
        settings: how much.

    Returns:
        For the floats and, where the model carries one, its int8 network: milliseconds an image of every kind,
        and its GFLOP.
    """
    core = openvino.Core()
    graph = network_graph(subject.backbone, scoring_layers(subject.backbone, subject.model.head))
    graphs = {subject.localizer()._latency_network.precision: graph}  # noqa: SLF001 - no public word tells it
    if subject.has_int8 and subject.model.int8 is not None:
        graphs["int8"] = core.read_model(subject.model.int8.structure, subject.model.int8.weights)
    scale = max(subject.scales)
    pyramid = Pyramid((scale,), subject.model.header.padding)
    looks = [
        ScaleInput.of(grid, canvas)
        for path in subject.paths(settings.cost)
        for grid, canvas in load_canvases(path, pyramid, subject.backbone.layout, subject.backbone.pad_color)
    ]
    return {
        "scale": scale,
        "images": len(looks),
        "networks": {
            precision: _profiled(core, graph, precision, looks, settings.rounds)
            for precision, graph in graphs.items()
        },
    }


def _profiled(core: Any, graph: Any, precision: str, looks: list[ScaleInput], rounds: int) -> dict[str, Any]:
    floats = openvino.Type.f32 if precision == "float32" else openvino.Type.bf16
    settings = {"INFERENCE_PRECISION_HINT": floats, "NUM_STREAMS": 1, "PERF_COUNT": True}
    request = core.compile_model(graph, "CPU", settings).create_infer_request()
    kinds = {node.get_friendly_name(): kind for node in graph.get_ordered_ops() if (kind := _kind(node))}
    operations: defaultdict[str, float] = defaultdict(float)
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for turn in range(rounds + 1):
        seconds: defaultdict[str, float] = defaultdict(float)
        for look in looks:
            request.infer([look.canvas[None], *look.extra])
            for layer in request.profiling_info:
                seconds[kinds.get(layer.node_name, OTHERS)] += layer.real_time.total_seconds()
        if turn:  # the first makes the kernels
            for kind in KINDS:
                taken[kind].append(seconds[kind])
    for look in looks:
        for kind, work in _operations(graph, look.canvas.shape[:2]).items():
            operations[kind] += work
    return {
        kind: {
            "ms": round(1e3 * statistics.median(taken[kind]) / len(looks), 3),
            "gflop": round(operations[kind] / len(looks) / 1e9, 3),
        }
        for kind in KINDS
    }


def _kind(node: Any) -> str | None:
    """The kind of a convolution; None for all else."""
    name = node.get_type_name()
    if name == "GroupConvolution":
        return DEPTHWISE
    if name != "Convolution":
        return None
    return POINTWISE if list(node.input(1).get_shape())[2:] == [1, 1] else NEIGHBOURS


def _operations(graph: Any, size: tuple[int, ...]) -> dict[str, float]:
    """Additions and multiplications of a canvas by kind; (height, width) in pixels."""
    fixed = graph.clone()
    canvas = fixed.get_parameters()[0].output(0)
    fixed.reshape({canvas: [1, *size, 3]})
    found: defaultdict[str, float] = defaultdict(float)
    for node in fixed.get_ordered_ops():
        kind = _kind(node)
        if kind is not None:
            # Grouped weights are (groups, outputs, inputs, rows, cols), others (outputs, inputs, rows, cols).
            weights, places = list(node.input(1).get_shape()), list(node.get_output_shape(0))[2:]
            found[kind] += 2.0 * float(np.prod(weights)) * math.prod(places)
    return found


def main(words: list[str] | None = None) -> None:
    """Measure, and add to ``benchmarks.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    add_model(parser)
    arguments = parser.parse_args(words)
    settings = settings_of(arguments)
    subject = subject_of(arguments, settings)
    section = {
        "quick": arguments.quick,
        "machine": describe(),
        "ceiling": measure_ceiling(repeats=settings.ceiling, side=settings.matrix_side),
        "subject": subject.as_json(),
        **measure_layers(subject, settings),
    }
    update_record(out_folder(arguments), "layers", section)
    print_status(f"wrote {out_folder(arguments) / 'benchmarks.md'}")


if __name__ == "__main__":
    run(main)
