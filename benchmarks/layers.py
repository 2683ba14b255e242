"""Time of the network's layers, measured by the runtime.

    python -m benchmarks.layers --data VOCdevkit/VOC2012 --model run/model.safetensors

After a run, OpenVINO reports the time of every layer. The times are summed by type: 1×1 convolutions, which
do nearly all multiplications; depthwise and other spatial convolutions, which do few but move many values;
and other layers, such as sums, layout changes and the readout of the score maps.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.machine import describe, measure_peaks
from benchmarks.results import Section, number, save_section, table
from benchmarks.workload import (
    Amounts,
    Workload,
    add_model_option,
    add_options,
    amounts_of,
    cpu_precision,
    output_folder,
    run,
    workload_of,
)
from freeloc.images.canvas import load_canvases
from freeloc.inference.multiscale import ScaleInput
from freeloc.inference.scoring_graph import scoring_layers
from freeloc.io.progress import print_status
from freeloc.runtime.compile import network_graph
from freeloc.runtime.openvino_import import load_openvino

__all__ = ["LAYER_TYPES", "main", "measure_layers", "render"]

_POINTWISE, _DEPTHWISE, _SPATIAL, _OTHER = (
    "1×1 convolutions",
    "depthwise convolutions",
    "other convolutions",
    "other layers",
)
LAYER_TYPES = (_POINTWISE, _DEPTHWISE, _SPATIAL, _OTHER)
"""Types of layers, by decreasing number of operations."""


def measure_layers(workload: Workload, amounts: Amounts) -> dict[str, Any]:
    """Measure time and operations of the layers by type, at the largest scale, all cores on one canvas.

    Args:
        workload: model and images.
        amounts: number of images and rounds.

    Returns:
        Milliseconds per image and GFLOP of each type, for the float network and for the int8 network if there
        is one.
    """
    openvino = load_openvino()

    core = openvino.Core()
    backbone, model = workload.backbone, workload.model
    graphs: dict[str, Any] = {
        cpu_precision(workload.precision): network_graph(backbone, scoring_layers(backbone, model.head))
    }
    if workload.has_int8 and model.int8 is not None:
        graphs["int8"] = core.read_model(model.int8.structure, model.int8.weights)
    scale = max(workload.scales)
    inputs = [
        ScaleInput.of(grid, canvas)
        for path in workload.paths(amounts.cost)
        for grid, canvas in load_canvases(
            path, model.header.pyramid.with_scales((scale,)), backbone.layout, backbone.pad_color
        )
    ]
    return {
        "scale": scale,
        "images": len(inputs),
        "networks": {
            precision: _profile(core, graph, precision, inputs, amounts.rounds)
            for precision, graph in graphs.items()
        },
    }


def _profile(core: Any, graph: Any, precision: str, inputs: list[ScaleInput], rounds: int) -> dict[str, Any]:
    openvino = load_openvino()

    hint = openvino.Type.f32 if precision == "float32" else openvino.Type.bf16
    settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1, "PERF_COUNT": True}
    request = core.compile_model(graph, "CPU", settings).create_infer_request()
    types = {
        node.get_friendly_name(): name for node in graph.get_ordered_ops() if (name := _layer_type(node))
    }
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for index in range(rounds + 1):
        of_round: defaultdict[str, float] = defaultdict(float)
        for scale_input in inputs:
            request.infer([scale_input.canvas[None], *scale_input.extra_inputs])
            for layer in request.profiling_info:
                of_round[types.get(layer.node_name, _OTHER)] += layer.real_time.total_seconds()
        if index:  # the first round compiles the kernels
            for name in LAYER_TYPES:
                seconds[name].append(of_round[name])
    operations: defaultdict[str, float] = defaultdict(float)
    for scale_input in inputs:
        for name, count in _operations(graph, scale_input.canvas.shape[:2]).items():
            operations[name] += count
    return {
        name: {
            "ms": round(1e3 * statistics.median(seconds[name]) / len(inputs), 3),
            "gflop": round(operations[name] / len(inputs) / 1e9, 3),
        }
        for name in LAYER_TYPES
    }


def _layer_type(node: Any) -> str | None:
    """Return the type of a convolution; None for other layers."""
    name = node.get_type_name()
    if name == "GroupConvolution":
        return _DEPTHWISE
    if name != "Convolution":
        return None
    return _POINTWISE if list(node.input(1).get_shape())[2:] == [1, 1] else _SPATIAL


def _operations(graph: Any, size: tuple[int, ...]) -> dict[str, float]:
    """Return the number of additions and multiplications by type, for a canvas of (height, width) pixels."""
    fixed = graph.clone()
    canvas = fixed.get_parameters()[0].output(0)
    fixed.reshape({canvas: [1, *size, 3]})
    operations: defaultdict[str, float] = defaultdict(float)
    for node in fixed.get_ordered_ops():
        name = _layer_type(node)
        if name is not None:
            # Grouped weights are (groups, outputs, inputs, rows, cols), others (outputs, inputs, rows, cols).
            weights, positions = list(node.input(1).get_shape()), list(node.get_output_shape(0))[2:]
            operations[name] += 2.0 * float(np.prod(weights)) * math.prod(positions)
    return operations


def render(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks of the section."""
    yield "## Time by type of layer"
    yield (
        f"Times at scale {section['scale']:g}, as reported by the runtime, for {section['images']} images one "
        "after the other, with all cores working on one canvas. The column *GFLOP/s* also gives the percentage "
        "of the peak of the matrix product in the same run, if that peak was measured in the same precision."
    )
    for precision, types in section["networks"].items():
        total = sum(row["ms"] for row in types.values())
        speeds = [
            by_precision[precision]
            for by_precision in section["peaks"]["gflops"].values()
            if precision in by_precision
        ]
        peak = max(speeds) if speeds else None
        yield f"In {precision}, {number(total)} ms in total:"
        yield table(
            ("layers", "ms", "percentage of time", "GFLOP", "GFLOP/s"),
            [
                (
                    name,
                    number(row["ms"]),
                    f"{100 * row['ms'] / total:.0f}%",
                    f"{row['gflop']:.2f}",
                    _speed(row, peak),
                )
                for name, row in types.items()
            ],
        )


def _speed(row: Mapping[str, float], peak: float | None) -> str:
    if not row["gflop"] or not row["ms"]:
        return ""
    speed = 1e3 * row["gflop"] / row["ms"]
    return number(speed) if peak is None else f"{number(speed)} ({100 * speed / peak:.0f}%)"


def main(words: list[str] | None = None) -> None:
    """Measure the layers, and write the results and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    add_model_option(parser)
    arguments = parser.parse_args(words)
    amounts = amounts_of(arguments)
    workload = workload_of(arguments, amounts)
    section = {
        "quick": arguments.quick,
        "machine": describe(),
        "peaks": measure_peaks(repeats=amounts.peak_repeats, side=amounts.matrix_side),
        "workload": workload.to_dict(),
        **measure_layers(workload, amounts),
    }
    save_section(output_folder(arguments), "layers", section)
    print_status(f"wrote {output_folder(arguments) / 'benchmarks.md'}")


if __name__ == "__main__":
    run(main)
