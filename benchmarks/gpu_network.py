"""The network alone on a GPU: speed and memory for each batch size, and agreement with the processor.

All inputs are already on the device, so that only the network is timed. Captured CUDA graphs are compared
with launching every kernel. The library does not use them, because it would have to store one graph per
shape, which only pays off if they are faster. torch.compile is not measured, because it compiles every shape
again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.cost import FlopCounter
from benchmarks.results import Section, number, spread_text, table, times_text
from benchmarks.timing import Task, interleaved
from freeloc.features.batching import group_positions
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import ImageSource
from freeloc.inference.score_map import fusion_lattice
from freeloc.inference.scoring_modules import ScoringModule
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead
from freeloc.runtime.tf32 import disable_tf32
from freeloc.runtime.torch_backend import TorchNetwork

__all__ = [
    "Forward",
    "largest_batch",
    "measure_agreement",
    "measure_batches",
    "measure_graphs",
    "render_agreement",
    "render_largest",
    "render_network",
]

_IMAGE_SIZE = Size(500, 375)
"""Size of the timed images, the most frequent one in Pascal VOC."""

_WARM_UPS = 3


class Forward:
    """Forward pass of backbone and scoring layers in torch, with inputs on the device.

    Args:
        backbone: the backbone, which is copied.
        head: the head, which is copied.
        precision: "bfloat16" by autocast, or "float32".
        device: the device.
    """

    def __init__(
        self, backbone: Backbone, head: AdaptationHead, precision: str, device: torch.device
    ) -> None:
        self.device = device
        self._precision = precision
        self._backbone = copy.deepcopy(backbone).eval().to(device)
        self._backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._scoring = ScoringModule(self._backbone.projection, copy.deepcopy(head).eval()).to(device)
        self._layout = backbone.layout

    def grid(self, scale: float) -> Grid:
        """Return the coordinate mapping of the timed images."""
        return Pyramid((scale,)).grid(_IMAGE_SIZE, scale, self._layout)

    def inputs(self, scale: float, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Create canvases, padding masks and sampling fields of ``count`` images at one scale."""
        grid = self.grid(scale)
        shape = (count, grid.canvas.height, grid.canvas.width, 3)
        canvases = torch.randint(0, 256, shape, dtype=torch.uint8, device=self.device)
        mask = torch.from_numpy(grid.padding_mask()).to(self.device)
        field = torch.from_numpy(grid.sampling_field(fusion_lattice(_IMAGE_SIZE))).to(self.device)
        return canvases, mask.repeat(count, 1, 1), field.repeat(count, 1, 1, 1)

    def __call__(self, canvases: Tensor, masks: Tensor, fields: Tensor) -> object:
        """Score all classes of all images, without waiting for the GPU to finish."""
        with (
            torch.inference_mode(),
            torch.autocast(
                self.device.type,
                torch.bfloat16,
                enabled=self._precision == "bfloat16",
                cache_enabled=False,  # a CUDA graph must not reference cached weights
            ),
            disable_tf32(self.device, enabled=self._precision == "float32"),
        ):
            return self._scoring(self._backbone(canvases), masks, fields)

    def finish(self) -> None:
        """Wait until the device has finished all work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def measure_batches(
    forward: Forward,
    count: FlopCounter,
    peak: float,
    *,
    scales: Sequence[float],
    batches: Sequence[int],
    rounds: int,
) -> list[dict[str, Any]]:
    """Measure each scale and batch size.

    Args:
        forward: the network.
        count: counts its operations.
        peak: GFLOP/s of a large matrix product in its precision.
        scales: scales of the canvases.
        batches: batch sizes.
        rounds: number of rounds.

    Returns:
        One row for each scale and batch size that fits into memory: milliseconds per batch, canvases per
        second, the fraction of the peak, and on a GPU the peak memory in megabytes.
    """
    rows = []
    for scale in scales:
        canvas = forward.grid(scale).canvas
        operations = count(canvas.height, canvas.width).total
        tasks = {batch: _task(forward, forward.inputs(scale, batch)) for batch in batches}
        tasks = {batch: task for batch, task in tasks.items() if _fits(task)}
        if not tasks:
            continue
        timings = interleaved({str(batch): task for batch, task in tasks.items()}, rounds=rounds, pause=0.0)
        for batch, task in tasks.items():
            spread = timings.spread(str(batch))
            rate = batch / spread.median
            rows.append(
                {
                    "scale": scale,
                    "batch": batch,
                    "canvas": [canvas.width, canvas.height],
                    "ms": spread.scaled(1e3).to_dict(),
                    "canvases_per_second": float(f"{rate:.4g}"),
                    "fraction_of_peak": float(f"{operations * rate / 1e9 / peak:.3g}"),
                    "peak_mb": _peak_mb(forward, task),
                }
            )
    return rows


def _task(forward: Forward, inputs: tuple[Tensor, Tensor, Tensor]) -> Task:
    def once() -> None:
        forward(*inputs)
        forward.finish()

    return once


def _fits(task: Task) -> bool:
    try:
        task()
    except torch.OutOfMemoryError:
        return False
    return True


def _peak_mb(forward: Forward, task: Task) -> float | None:
    if forward.device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(forward.device)
    before = torch.cuda.memory_allocated(forward.device)
    task()
    return round((torch.cuda.max_memory_allocated(forward.device) - before) / 1e6, 1)


def largest_batch(forward: Forward, scale: float, max_batch: int) -> dict[str, Any]:
    """Double the batch size until the batch does not fit into memory or ``max_batch`` is reached.

    Returns:
        The largest batch size that was computed, and what limited it.
    """
    fits, limit = 0, f"larger batches than {max_batch} were not tried"
    while (count := max(1, 2 * fits)) <= max_batch:
        try:
            _task(forward, forward.inputs(scale, count))()
        except torch.OutOfMemoryError:
            limit = "out of memory"
        except RuntimeError as error:  # such as kernels with 32-bit indices
            limit = str(error).partition("\n")[0]
        else:
            fits = count
            continue
        break
    if forward.device.type == "cuda":
        torch.cuda.empty_cache()
    return {"scale": scale, "batch": fits, "limit": limit}


def measure_graphs(
    forward: Forward, *, scales: Sequence[float], batches: Sequence[int], rounds: int
) -> dict[str, Any]:
    """Compare launching every kernel with replaying one captured CUDA graph."""
    if forward.device.type != "cuda":
        return {"skipped": "CUDA graphs require a GPU"}
    rows = []
    try:
        for scale in scales:
            for batch in batches:
                inputs = forward.inputs(scale, batch)
                tasks: dict[str, Task] = {
                    "launched": _task(forward, inputs),
                    "captured": _replay(forward, _captured(forward, inputs)),
                }
                timings = interleaved(tasks, rounds=rounds, pause=0.0)
                speedup = timings.ratio("launched", "captured").to_dict()
                rows.append({"scale": scale, "batch": batch, "ms": timings.to_dict(), "speedup": speedup})
    except RuntimeError as error:
        return {"rows": rows, "skipped": str(error).partition("\n")[0]}
    return {"rows": rows}


def _replay(forward: Forward, graph: torch.cuda.CUDAGraph) -> Task:
    def once() -> None:
        graph.replay()
        forward.finish()

    return once


def _captured(forward: Forward, inputs: tuple[Tensor, Tensor, Tensor]) -> torch.cuda.CUDAGraph:
    # As torch requires, warm-ups on another stream initialize the libraries, which a graph cannot capture.
    stream = torch.cuda.Stream(forward.device)
    stream.wait_stream(torch.cuda.current_stream(forward.device))
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            forward(*inputs)
    torch.cuda.current_stream(forward.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        forward(*inputs)
    return graph


def measure_agreement(
    backbone: Backbone,
    head: AdaptationHead,
    images: Sequence[ImageSource],
    device: torch.device,
    precisions: Sequence[str],
    scales: Sequence[float],
) -> dict[str, Any]:
    """Compare batches on a device with single canvases in float32 on the processor.

    Returns:
        For each precision, the largest difference of a score, and the percentage of points at the same or an
        adjacent position of the lattice.
    """
    samples = []
    for image in images:
        for grid, canvas in load_canvases(image, Pyramid(tuple(scales)), backbone.layout, backbone.pad_color):
            lattice = fusion_lattice(grid.image_size)
            samples.append((canvas, (grid.padding_mask(), grid.sampling_field(lattice)), lattice))

    def network(precision: str, on: torch.device, batch: int) -> TorchNetwork:
        copied = copy.deepcopy(backbone)
        scoring = ScoringModule(copied.projection, copy.deepcopy(head))
        return TorchNetwork(copied, scoring, precision, on, batch)  # type: ignore[arg-type]

    reference = network("float32", torch.device("cpu"), 1)
    expected = [reference.run(canvas, *extra) for canvas, extra, _ in samples]
    rows: dict[str, Any] = {}
    for precision in precisions:
        batched = network(precision, device, 8)
        differences, near = [], []
        for group in group_positions(canvas.shape for canvas, _, _ in samples):
            outputs = batched.run_many([samples[i][0] for i in group], [samples[i][1] for i in group])
            for index, (_, maxima, aligned) in zip(group, outputs, strict=True):
                lattice = samples[index][2]
                differences.append(np.abs(maxima - expected[index][1]).max())
                maps = (aligned[:, : lattice.rows, : lattice.cols], expected[index][2])
                found, reference_position = (
                    np.stack(np.unravel_index(_maxima(of_network), of_network.shape[1:]))
                    for of_network in maps
                )
                near.append(np.abs(found - reference_position).max(axis=0) <= 1)
        rows[precision] = {
            "largest_score_difference": float(f"{max(differences):.3g}"),
            "points_at_the_same_position": round(100 * float(np.mean(near)), 2),
        }
    return {"canvases": len(samples), "precisions": rows}


def _maxima(maps: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.intp]]:
    positions: np.ndarray[Any, np.dtype[np.intp]] = maps.reshape(len(maps), -1).argmax(axis=1)
    return positions


# --- page
# ----------------------------------------------------------------------------------------------------


def render_network(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks about speed, memory and CUDA graphs."""
    yield "### Network alone"
    yield (
        "Backbone and scoring layers, with inputs already on the device. The percentage of the peak is "
        "relative to the speed of the matrix product, counting only the operations of convolutions and "
        "matrix products."
    )
    yield table(
        ("scale", "batch size", "ms / batch", "canvases / s", "percentage of peak", "MB"),
        [
            (
                f"{row['scale']:g}",
                str(row["batch"]),
                spread_text(row["ms"]),
                number(row["canvases_per_second"]),
                f"{100 * row['fraction_of_peak']:.1f}%",
                "" if row["peak_mb"] is None else number(row["peak_mb"]),
            )
            for row in section["batches"]
        ],
    )
    graphs = section["graphs"]
    if graphs.get("rows"):
        yield "Kernels launched one by one, against all kernels captured in a CUDA graph:"
        yield table(
            ("scale", "batch size", "ms, launched", "ms, captured", "speedup"),
            [
                (
                    f"{row['scale']:g}",
                    str(row["batch"]),
                    spread_text(row["ms"]["launched"]),
                    spread_text(row["ms"]["captured"]),
                    times_text(row["speedup"]),
                )
                for row in graphs["rows"]
            ],
        )
    if "skipped" in graphs:
        yield f"CUDA graphs: {graphs['skipped']}."


def render_agreement(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks about the agreement with the processor."""
    yield "### Agreement with torch float32 on the processor"
    yield f"The model trained from cached features, on {section['canvases']} canvases."
    yield table(
        ("precision", "largest difference of a score", "points at the same or an adjacent position"),
        [
            (name, f"{row['largest_score_difference']:g}", f"{row['points_at_the_same_position']:.2f}%")
            for name, row in section["precisions"].items()
        ],
    )


def render_largest(rows: Sequence[Section]) -> Iterator[str]:
    """Yield the Markdown blocks about the largest batch."""
    yield "### Largest batch"
    yield table(
        ("scale", "batch size", "limited by"),
        [(f"{row['scale']:g}", str(row["batch"]), row["limit"]) for row in rows],
    )
