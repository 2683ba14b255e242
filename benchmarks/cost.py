"""Cost of prediction: operations per scale, fraction of the matrix peak, and the stages around the network.

Operations are counted, not estimated. A multiplication and an addition count as two. Only convolutions and
matrix products are counted; normalization, activations and sums are about a percent of the work.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import peak_gflops
from benchmarks.timing import Task, Timings, interleaved
from benchmarks.workload import Amounts, Workload, untrained_model
from freeloc._typing import Uint8Array
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import open_image
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead
from freeloc.runtime import AppendedModule, InferencePrecision, Network, compile_network

__all__ = ["NETWORKS", "FlopCounter", "Flops", "measure_networks", "measure_stages"]

NETWORKS = {
    "body": "backbone body",
    "backbone": "backbone with its projection",
    "maps": "score maps",
    "maps512": "score maps, 512 hidden units",
}
"""Networks to time, and their titles: the backbone without its projection; with it; with the head, which computes
the K score maps; and with a head of 512 hidden units instead."""

_NARROW = 512


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations of the parts of a model.

    Attributes:
        body: the backbone without its projection.
        projection: the backbone's last 1×1 convolution.
        head: the adaptation layers.
    """

    body: int = 0
    projection: int = 0
    head: int = 0

    @property
    def total(self) -> int:
        """Operations of all parts."""
        return self.body + self.projection + self.head

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.body + other.body, self.projection + other.projection, self.head + other.head)


class FlopCounter:
    """Counter of a model's operations on one canvas, which counts once per canvas size.

    Args:
        backbone: the backbone.
        head: the adaptation layers.
    """

    def __init__(self, backbone: Backbone, head: AdaptationHead) -> None:
        # Tensors on the meta device have a shape but no values, so counting is almost free.
        self._backbone = copy.deepcopy(backbone).to("meta")
        self._head = copy.deepcopy(head).to("meta")
        self._counts: dict[tuple[int, int], Flops] = {}

    def __call__(self, height: int, width: int) -> Flops:
        """Return the operations on a canvas of ``height`` × ``width`` pixels."""
        size = (height, width)
        if size not in self._counts:
            canvas = torch.empty(1, height, width, 3, dtype=torch.uint8, device="meta")
            features, body = _count(self._backbone, canvas)
            values, projection = _count(self._backbone.projection, features)
            _, head = _count(self._head, values)
            self._counts[size] = Flops(body, projection, head)
        return self._counts[size]


def _count(module: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outputs: torch.Tensor = module(inputs)
    return outputs, counter.get_total_flops()


def measure_networks(workload: Workload, amounts: Amounts, peaks: dict[str, Any]) -> dict[str, Any]:
    """Count the operations and time the compiled networks at each scale, all cores on one canvas.

    Args:
        workload: model and images.
        amounts: number of images and rounds.
        peaks: the machine's peak speeds, see `benchmarks.machine.measure_peaks`.

    Returns:
        For each scale, and for all scales together: GFLOP of body, projection and head; milliseconds of each
        of `NETWORKS`; the fraction of the matrix peak that the score maps reach; and ratios of the networks'
        times.
    """
    canvases = _canvases(workload, amounts.cost)
    networks = _compiled(workload)
    precision = networks["maps"].precision
    peak = peak_gflops(peaks, precision)
    tasks = {
        f"{name} {scale:g}": _inference(networks[name], canvases[scale])
        for scale in canvases
        for name in NETWORKS
    }
    timings = interleaved(tasks, rounds=amounts.rounds)
    for name in NETWORKS:
        timings = timings.combined(f"{name} all", {f"{name} {scale:g}": 1 for scale in canvases})
    count = FlopCounter(workload.backbone, workload.model.head)
    flops = {
        f"{scale:g}": sum((count(*canvas.shape[:2]) for canvas in of_scale), Flops())
        for scale, of_scale in canvases.items()
    }
    flops["all"] = sum(flops.values(), Flops())
    return {
        "images": len(canvases[workload.scales[0]]),
        "precision": precision,
        "peak_gflops": peak,
        "scales": {scale: _row(timings, scale, total, amounts.cost, peak) for scale, total in flops.items()},
    }


def measure_stages(
    workload: Workload, amounts: Amounts, precision: InferencePrecision | None = None
) -> dict[str, Any]:
    """Time the stages of predicting one image at all scales, one image at a time.

    Decoding is timed alone. Resizing is the additional time to create the canvases, and inference the
    additional time to compute the score maps.

    Args:
        workload: model and images.
        amounts: number of images and rounds.
        precision: precision of the network; default: the workload's.

    Returns:
        Milliseconds per image for each stage and in total.
    """
    paths = workload.paths(amounts.cost)
    localizer = workload.localizer(precision=precision)
    layout, pad_color = workload.backbone.layout, workload.backbone.pad_color
    maps = [localizer.score_maps(path) for path in paths]
    tasks: dict[str, Task] = {
        "total": lambda: [localizer.predict(path) for path in paths],
        "decode": lambda: [open_image(path) for path in paths],
        "canvases": lambda: [
            list(load_canvases(path, localizer.pyramid, layout, pad_color)) for path in paths
        ],
        "score maps": lambda: [localizer.score_maps(path) for path in paths],
        "fusion": lambda: [localizer.localize(of_image) for of_image in maps],
    }
    timings = interleaved(tasks, rounds=amounts.rounds)
    timings = timings.combined("resize", {"canvases": 1, "decode": -1})
    timings = timings.combined("inference", {"score maps": 1, "canvases": -1})
    unit = 1e3 / len(paths)
    stages = ("decode", "resize", "inference", "fusion", "total")
    return {
        "images": len(paths),
        "ms_per_image": {name: timings.spread(name).scaled(unit).to_dict() for name in stages},
    }


def _row(timings: Timings, scale: str, flops: Flops, count: int, peak: float) -> dict[str, Any]:
    unit = 1e3 / count
    seconds = timings.spread(f"maps {scale}").median
    return {
        "gflop": {
            "body": round(flops.body / count / 1e9, 3),
            "projection": round(flops.projection / count / 1e9, 3),
            "head": round(flops.head / count / 1e9, 3),
        },
        "ms": {name: timings.spread(f"{name} {scale}").scaled(unit).to_dict() for name in NETWORKS},
        "fraction_of_peak": round(flops.total / 1e9 / seconds / peak, 4),
        "maps_over_backbone": timings.ratio(f"maps {scale}", f"backbone {scale}").to_dict(),
        "maps_over_body": timings.ratio(f"maps {scale}", f"body {scale}").to_dict(),
        "maps512_over_body": timings.ratio(f"maps512 {scale}", f"body {scale}").to_dict(),
    }


def _canvases(workload: Workload, count: int) -> dict[float, list[Uint8Array]]:
    by_scale: dict[float, list[Uint8Array]] = {scale: [] for scale in workload.scales}
    pyramid = workload.model.header.pyramid.with_scales(workload.scales)
    backbone = workload.backbone
    for path in workload.paths(count):
        for grid, canvas in load_canvases(path, pyramid, backbone.layout, backbone.pad_color):
            by_scale[grid.scale].append(canvas)
    return by_scale


def _compiled(workload: Workload) -> Mapping[str, Network]:
    backbone = workload.backbone
    narrow = untrained_model(backbone, workload.model.header.classes, hidden=_NARROW)
    appended: dict[str, nn.Module | None] = {
        "body": None,
        "backbone": backbone.projection,
        "maps": nn.Sequential(backbone.projection, workload.model.head),
        "maps512": nn.Sequential(backbone.projection, narrow.head),
    }
    with torch.no_grad():
        return {
            name: compile_network(
                backbone, None if module is None else AppendedModule(module), precision=workload.precision
            )
            for name, module in appended.items()
        }


def _inference(network: Network, canvases: Sequence[Uint8Array]) -> Task:
    return lambda: [network(canvas) for canvas in canvases]
