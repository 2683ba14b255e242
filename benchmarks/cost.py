"""Where an image's time goes: operations per scale, share of the matrix peak, and the stages around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.flops import Flops, FlopsOf
from benchmarks.machine import best_peak
from benchmarks.settings import Settings
from benchmarks.subject import Subject, fresh_model
from benchmarks.timing import Task, Timings, interleaved
from freeloc._typing import Uint8Array
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import open_image
from freeloc.runtime import AppendedModule, InferencePrecision, Network, compile_network

__all__ = ["NETWORKS", "measure_networks", "measure_stages"]

NETWORKS = ("body", "backbone", "maps", "maps512")
"""The backbone up to its last layer with neighbours; with its own last 1×1 convolution; with the head, which makes
the K maps; and with a head of 512 hidden values instead."""

_NARROW = 512


def measure_networks(subject: Subject, settings: Settings, ceiling: dict[str, Any]) -> dict[str, Any]:
    """Operations and time of the compiled network per scale, all cores on one canvas.

    Args:
        subject: the model and images.
        settings: how much.
        ceiling: the machine's, of `benchmarks.machine.measure_ceiling`.

    Returns:
        For every scale, and for all of them together: GFLOP of body, projection and head; milliseconds of each of
        `NETWORKS`; the share of the matrix peak that making the maps reaches; and what the maps take over the
        backbone's plain forward pass.
    """
    canvases = _canvases(subject, settings.cost)
    networks = _networks(subject)
    precision = networks["maps"].precision
    peak = best_peak(ceiling, precision)
    tasks = {
        f"{name} {scale:g}": _running(networks[name], canvases[scale])
        for scale in canvases
        for name in NETWORKS
    }
    timings = interleaved(tasks, rounds=settings.rounds)
    for name in NETWORKS:
        timings = timings.combined(f"{name} all", {f"{name} {scale:g}": 1 for scale in canvases})
    flops_of = FlopsOf(subject.backbone, subject.model.head)
    counted = {
        f"{scale:g}": sum((flops_of(*canvas.shape[:2]) for canvas in found), Flops())
        for scale, found in canvases.items()
    }
    counted["all"] = sum(counted.values(), Flops())
    rows = {scale: _row(timings, scale, flops, settings.cost, peak) for scale, flops in counted.items()}
    return {
        "images": len(canvases[subject.scales[0]]),
        "precision": precision,
        "peak_gflops": peak,
        "scales": rows,
    }


def measure_stages(
    subject: Subject, settings: Settings, precision: InferencePrecision | None = None
) -> dict[str, Any]:
    """Milliseconds of the stages of one image at all scales, one image at a time.

    Decoding is timed alone; resizing is what laying the image on its canvases takes beside it, and the
    network what `Localizer.score_maps` takes beside both.

    Args:
        subject: the model and images.
        settings: how much.
        precision: of the network; default the subject's.
    """
    paths = subject.paths(settings.cost)
    localizer = subject.localizer(precision=precision)
    layout, pad_color = subject.backbone.layout, subject.backbone.pad_color
    maps = [localizer.score_maps(path) for path in paths]
    tasks: dict[str, Task] = {
        "whole": lambda: [localizer.predict(path) for path in paths],
        "decode": lambda: [open_image(path) for path in paths],
        "canvases": lambda: [
            list(load_canvases(path, localizer.pyramid, layout, pad_color)) for path in paths
        ],
        "score maps": lambda: [localizer.score_maps(path) for path in paths],
        "fusion": lambda: [localizer.localize(own) for own in maps],
    }
    timings = interleaved(tasks, rounds=settings.rounds)
    timings = timings.combined("resize", {"canvases": 1, "decode": -1})
    timings = timings.combined("inference", {"score maps": 1, "canvases": -1})
    unit = 1e3 / len(paths)
    stages = ("decode", "resize", "inference", "fusion", "whole")
    return {
        "images": len(paths),
        "ms_per_image": {name: timings.spread(name).scaled(unit).as_json() for name in stages},
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
        "ms": {name: timings.spread(f"{name} {scale}").scaled(unit).as_json() for name in NETWORKS},
        "share_of_peak": round(flops.total / 1e9 / seconds / peak, 4),
        "maps_over_backbone": timings.ratio(f"maps {scale}", f"backbone {scale}").as_json(),
        "maps_over_body": timings.ratio(f"maps {scale}", f"body {scale}").as_json(),
        "maps512_over_body": timings.ratio(f"maps512 {scale}", f"body {scale}").as_json(),
    }


def _canvases(subject: Subject, count: int) -> dict[float, list[Uint8Array]]:
    by_scale: dict[float, list[Uint8Array]] = {scale: [] for scale in subject.scales}
    pyramid = Pyramid(subject.scales, subject.model.header.padding)
    for path in subject.paths(count):
        for grid, canvas in load_canvases(path, pyramid, subject.backbone.layout, subject.backbone.pad_color):
            by_scale[grid.scale].append(canvas)
    return by_scale


def _networks(subject: Subject) -> Mapping[str, Network]:
    projection = subject.backbone.projection
    narrow = fresh_model(subject.backbone, subject.model.header.classes, hidden=_NARROW)
    tails: dict[str, Callable[[], nn.Module | None]] = {
        "body": lambda: None,
        "backbone": lambda: projection,
        "maps": lambda: nn.Sequential(projection, subject.model.head),
        "maps512": lambda: nn.Sequential(projection, narrow.head),
    }
    networks = {}
    with torch.no_grad():
        for name in NETWORKS:
            module = tails[name]()
            tail = None if module is None else AppendedModule(module)
            networks[name] = compile_network(subject.backbone, tail, precision=subject.precision)
    return networks


def _running(network: Network, canvases: Sequence[Uint8Array]) -> Task:
    return lambda: [network(canvas) for canvas in canvases]
