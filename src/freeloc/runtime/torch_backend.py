"""Networks run by torch: on a GPU, and on request on the processor.

A GPU is given several canvases of one shape at once: one alone does not keep it busy. Their pixels go there from
pinned memory while the batch before is computed, where two threads call in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from freeloc._typing import Float32Array
from freeloc.runtime.protocol import Canvas, Precision, usable_cores
from freeloc.runtime.tf32 import disable_tf32

__all__ = ["TorchNetwork"]

_GPU_BATCH = 32

_MOST_PIXELS = 2**24
"""Pixels of a batch: eleven canvases of the usual shape at scale 2.8, and many at scale 1. What a backbone
holds at
once, a few hundred bytes a pixel, then has a bound whatever the scale."""


class TorchNetwork:
    """A backbone and its tail in torch.

    Args:
        backbone: the frozen backbone.
        tail: takes features and what `run` gets beside the canvas; None runs the backbone alone.
        precision: arithmetic; bfloat16 by autocast.
        device: where.
        batch: how many canvases go through at once, at most; default 32 on a GPU and 1 on a processor, which one
            canvas keeps busy.
    """

    runtime = "torch"

    def __init__(
        self,
        backbone: nn.Module,
        tail: nn.Module | None,
        precision: Precision,
        device: torch.device,
        batch: int | None = None,
    ) -> None:
        on_gpu = device.type == "cuda"
        if precision == "auto":
            precision = "bfloat16" if on_gpu and torch.cuda.is_bf16_supported() else "float32"
        self.precision: str = precision
        # Beside a GPU all cores decode; a processor does that in one thread while it computes in the other.
        self.threads = usable_cores() if on_gpu else 2
        self.batch = batch or (_GPU_BATCH if on_gpu else 1)
        self._pixels = _MOST_PIXELS
        self._device = device
        self._backbone = backbone.eval().to(device)
        # What both oneDNN and tensor cores are fastest on.
        self._backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._tail = None if tail is None else tail.eval().to(device)

    def __call__(self, canvas: Canvas) -> Float32Array:
        """See `freeloc.runtime.Network`."""
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        """See `freeloc.runtime.Network`."""
        outputs = self._compute(torch.from_numpy(canvas)[None], [torch.from_numpy(item) for item in inputs])
        return tuple(output[0] for output in outputs)

    def run_many(
        self, canvases: Sequence[Canvas], inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """See `freeloc.runtime.Network`."""
        if len({canvas.shape for canvas in canvases}) > 1:
            raise ValueError("canvases that go through together are of one shape")
        found: list[tuple[Float32Array, ...]] = []
        while len(found) < len(canvases):
            height, width = canvases[0].shape[:2]
            at_once = max(1, min(self.batch, self._pixels // (height * width)))
            part = slice(len(found), len(found) + at_once)
            try:
                found += self._batch(canvases[part], None if inputs is None else inputs[part])
            except torch.OutOfMemoryError:
                count = len(canvases[part])
                if count == 1:
                    raise
                self._pixels = count * height * width // 2
        return found

    def _batch(
        self, canvases: Sequence[Canvas], inputs: Sequence[tuple[Float32Array, ...]] | None
    ) -> list[tuple[Float32Array, ...]]:
        stacks = [self._stacked(arrays) for arrays in zip(*(inputs or ()), strict=True)]
        outputs = self._compute(self._stacked(canvases), stacks)
        # Copied, so that the result of one image does not keep those of its neighbours in memory.
        return [tuple(output[index].copy() for output in outputs) for index in range(len(canvases))]

    def _compute(self, canvases: Tensor, inputs: Sequence[Tensor]) -> list[Float32Array]:
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"),
            disable_tf32(self._device, enabled=self.precision == "float32"),
        ):
            found = self._backbone(self._there(canvases))
            if self._tail is not None:
                found = self._tail(found, *map(self._there, inputs))
        outputs: tuple[Tensor, ...] = found if isinstance(found, tuple) else (found,)
        return [output.float().cpu().numpy() for output in outputs]

    def _there(self, values: Tensor) -> Tensor:
        # From pinned memory the copy runs beside the computation before it.
        return values.to(self._device, non_blocking=True)

    def _stacked(self, arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
        """All arrays as one tensor, for a GPU in pinned memory; smaller ones are filled up with zeros."""
        shape = tuple(max(sides) for sides in zip(*(array.shape for array in arrays), strict=True))
        kind = torch.from_numpy(arrays[0]).dtype
        stack = torch.empty((len(arrays), *shape), dtype=kind, pin_memory=self._device.type == "cuda")
        for place, array in zip(stack.numpy(), arrays, strict=True):
            if array.shape != shape:
                place[...] = 0
            place[tuple(map(slice, array.shape))] = array
        return stack
