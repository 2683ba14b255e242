"""The network alone on a GPU: how its pace and its memory follow the batch, and whether it is right.

Pixels, masks and fields lie on the device already, so nothing but the network is timed. Whether a captured CUDA
graph gains anything over launching every kernel is measured here, outside the library: only a gain would be worth
the shapes that such graphs have to be kept for. torch.compile is left out, for it compiles every shape anew.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.flops import FlopsOf
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

__all__ = ["Forward", "largest_batch", "measure_agreement", "measure_batches", "measure_graphs"]

_PHOTO = Size(500, 375)
"""The image whose canvases are timed: the most frequent size there is."""

_WARM_UPS = 3


class Forward:
    """Backbone and search in torch, on what lies on the device already.

    Args:
        backbone: is copied.
        head: is copied.
        precision: "bfloat16" by autocast, or "float32".
        device: where.
    """

    def __init__(
        self, backbone: Backbone, head: AdaptationHead, precision: str, device: torch.device
    ) -> None:
        self.device = device
        self._precision = precision
        self._backbone = copy.deepcopy(backbone).eval().to(device=device, memory_format=torch.channels_last)
        self._search = ScoringModule(self._backbone.projection, copy.deepcopy(head).eval()).to(device)
        self._layout = backbone.layout

    def grid(self, scale: float) -> Grid:
        """Of the image that is timed."""
        return Pyramid((scale,)).grid(_PHOTO, scale, self._layout)

    def inputs(self, scale: float, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels, masks and fields of ``count`` images at one scale."""
        grid = self.grid(scale)
        shape = (count, grid.canvas.height, grid.canvas.width, 3)
        canvases = torch.randint(0, 256, shape, dtype=torch.uint8, device=self.device)
        mask = torch.from_numpy(grid.padding_mask()).to(self.device)
        field = torch.from_numpy(grid.sampling_field(fusion_lattice(_PHOTO))).to(self.device)
        return canvases, mask.repeat(count, 1, 1), field.repeat(count, 1, 1, 1)

    def __call__(self, canvases: Tensor, masks: Tensor, fields: Tensor) -> object:
        """Look for every class in every image; does not wait for a GPU to be done."""
        with (
            torch.inference_mode(),
            torch.autocast(
                self.device.type,
                torch.bfloat16,
                enabled=self._precision == "bfloat16",
                cache_enabled=False,  # a graph must not hold what a cache keeps
            ),
            disable_tf32(self.device, enabled=self._precision == "float32"),
        ):
            return self._search(self._backbone(canvases), masks, fields)

    def finish(self) -> None:
        """Wait until all that was asked for is computed."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def measure_batches(
    forward: Forward,
    flops: FlopsOf,
    peak: float,
    *,
    scales: Sequence[float],
    batches: Sequence[int],
    rounds: int,
) -> list[dict[str, Any]]:
    """A row for every scale and batch.

    Args:
        forward: the network.
        flops: counts its operations.
        peak: GFLOP/s of a large matrix product in its precision.
        scales: of the canvases.
        batches: how many of them at once.
        rounds: how often each is timed.

    Returns:
        Milliseconds a batch, canvases a second, the share of the peak, and on a GPU the most memory in megabytes.
        A batch that does not fit has no row.
    """
    rows = []
    for scale in scales:
        canvas = forward.grid(scale).canvas
        operations = flops(canvas.height, canvas.width).total
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
                    "ms": spread.scaled(1e3).as_json(),
                    "canvases_per_second": float(f"{rate:.4g}"),
                    "share_of_peak": float(f"{operations * rate / 1e9 / peak:.3g}"),
                    "peak_mb": _peak_mb(forward, task),
                }
            )
    return rows


def _task(forward: Forward, inputs: tuple[Tensor, ...]) -> Task:
    def once() -> None:
        forward(*inputs)  # type: ignore[arg-type]
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


def largest_batch(forward: Forward, scale: float, most: int) -> dict[str, Any]:
    """Double the batch until it does not fit, or ``most`` is reached.

    Returns:
        The largest batch that was computed, and what ended it.
    """
    fits, end = 0, f"no more than {most} were tried"
    while (count := max(1, 2 * fits)) <= most:
        try:
            _task(forward, forward.inputs(scale, count))()
        except torch.OutOfMemoryError:
            end = "no more memory"
        except RuntimeError as error:  # kernels that count with 32 bits, say
            end = str(error).partition("\n")[0]
        else:
            fits = count
            continue
        break
    if forward.device.type == "cuda":
        torch.cuda.empty_cache()
    return {"scale": scale, "batch": fits, "ended_by": end}


def measure_graphs(
    forward: Forward, *, scales: Sequence[float], batches: Sequence[int], rounds: int
) -> dict[str, Any]:
    """Every kernel launched by torch, against all of them captured in one CUDA graph."""
    if forward.device.type != "cuda":
        return {"skipped": "CUDA graphs need a GPU"}
    rows = []
    try:
        for scale in scales:
            for batch in batches:
                inputs = forward.inputs(scale, batch)
                replay = _captured(forward, inputs)
                tasks: dict[str, Task] = {
                    "launched": _task(forward, inputs),
                    "captured": lambda replay=replay: (replay(), forward.finish()),
                }
                timings = interleaved(tasks, rounds=rounds, pause=0.0)
                faster = timings.ratio("launched", "captured").as_json()
                rows.append({"scale": scale, "batch": batch, "ms": timings.as_json(), "times_faster": faster})
    except RuntimeError as error:
        return {"rows": rows, "skipped": str(error).partition("\n")[0]}
    return {"rows": rows}


def _captured(forward: Forward, inputs: tuple[Tensor, Tensor, Tensor]) -> Callable[[], object]:
    # A few runs on another stream first, as torch asks for: libraries set themselves up, which no graph may hold.
    stream = torch.cuda.Stream(forward.device)
    stream.wait_stream(torch.cuda.current_stream(forward.device))
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            forward(*inputs)
    torch.cuda.current_stream(forward.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        forward(*inputs)
    return graph.replay


def measure_agreement(
    backbone: Backbone,
    head: AdaptationHead,
    images: Sequence[ImageSource],
    device: torch.device,
    precisions: Sequence[str],
    scales: Sequence[float],
) -> dict[str, Any]:
    """What batches on a device give, beside one canvas at a time in float32 on the processor.

    Returns:
        By precision the largest difference of a score, and the share of points that lie on the same place of the
        lattice or next to it, in percent.
    """
    looks = []
    for image in images:
        for grid, canvas in load_canvases(image, Pyramid(tuple(scales)), backbone.layout, backbone.pad_color):
            lattice = fusion_lattice(grid.image_size)
            looks.append((canvas, (grid.padding_mask(), grid.sampling_field(lattice)), lattice))

    def network(precision: str, where: torch.device, batch: int) -> TorchNetwork:
        own = copy.deepcopy(backbone)
        search = ScoringModule(own.projection, copy.deepcopy(head))
        return TorchNetwork(own, search, precision, where, batch)  # type: ignore[arg-type]

    reference = network("float32", torch.device("cpu"), 1)
    wanted = [reference.run(canvas, *inputs) for canvas, inputs, _ in looks]
    found: dict[str, Any] = {}
    for precision in precisions:
        ours = network(precision, device, 8)
        scores, near = [], []
        for group in group_positions(canvas.shape for canvas, _, _ in looks):
            outputs = ours.run_many([looks[i][0] for i in group], [looks[i][1] for i in group])
            for index, (_, peaks, aligned) in zip(group, outputs, strict=True):
                lattice = looks[index][2]
                scores.append(np.abs(peaks - wanted[index][1]).max())
                pair = (aligned[:, : lattice.rows, : lattice.cols], wanted[index][2])
                rows, cols = (np.unravel_index(_best(one), one.shape[1:]) for one in pair)
                near.append(np.maximum(np.abs(rows[0] - cols[0]), np.abs(rows[1] - cols[1])) <= 1)
        found[precision] = {
            "largest_score_difference": float(f"{max(scores):.3g}"),
            "points_at_the_same_place": round(100 * float(np.mean(near)), 2),
        }
    return {"canvases": len(looks), "precisions": found}


def _best(maps: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.intp]]:
    places: np.ndarray[Any, np.dtype[np.intp]] = maps.reshape(len(maps), -1).argmax(axis=1)
    return places
