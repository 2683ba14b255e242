"""Networks run by torch on a GPU or, on request, on the CPU.

A GPU runs canvases of equal shape in batches, because a single canvas does not keep it busy. If two threads call
the network, one batch is copied from pinned memory while the other is computed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy.typing as npt
import torch
from torch import Tensor, nn

from freeloc._literals import Precision
from freeloc._log import get_logger
from freeloc._typing import Float32Array
from freeloc.runtime.hardware import forked_with_cuda, usable_cores
from freeloc.runtime.protocol import Canvas
from freeloc.runtime.tf32 import disable_tf32

__all__ = ["TorchNetwork"]

_log = get_logger(__name__)

_REASONS: Final = {
    ("cuda", "bfloat16"): "the GPU multiplies in bfloat16",
    ("cuda", "float32"): "the GPU has no instructions for bfloat16",
    ("cpu", "float32"): "torch on a CPU is the reference",
}
"""Reasons for the precision that "auto" is, by device."""

_GPU_BATCH: Final = 32

_MAX_PIXELS: Final = 2**24
"""Maximum number of pixels in a batch: eleven canvases of the usual shape at scale 2.8, and many more at scale 1.
A backbone requires a few hundred bytes of memory per pixel, so this limits its memory at every scale."""


class TorchNetwork:
    """A backbone and an appended module, run by torch.

    Args:
        backbone: the frozen backbone. If it has several outputs, all but the first follow those of ``appended``.
        appended: the module that reads the features and the extra inputs of `run`; None runs the backbone alone.
        precision: arithmetic of the network; bfloat16 uses autocast.
        device: the device that runs the network.
        batch: maximum number of canvases in a batch; default: 32 on a GPU, and 1 on a CPU, because a single canvas
            already keeps all CPU cores busy.
    """

    runtime = "torch"
    streams = 1

    def __init__(
        self,
        backbone: nn.Module,
        appended: nn.Module | None,
        precision: Precision,
        device: torch.device,
        batch: int | None = None,
    ) -> None:
        on_gpu = device.type == "cuda"
        if precision == "auto":
            precision = "bfloat16" if on_gpu and torch.cuda.is_bf16_supported() else "float32"
            _log.info("precision %s: %s", precision, _REASONS[device.type, precision])
        self.precision: str = precision
        # With a GPU, all cores decode images; a CPU decodes in one thread while it computes in another.
        self.threads = usable_cores() if on_gpu else 2
        self.batch = batch or (_GPU_BATCH if on_gpu else 1)
        self._max_pixels = _MAX_PIXELS
        self._device = device
        self._owner = os.getpid()
        self._backbone = backbone.eval().to(device)
        # The fastest memory format for both oneDNN and tensor cores.
        self._backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._appended = None if appended is None else appended.eval().to(device)

    def __call__(self, canvas: Canvas) -> Float32Array:
        """Implement `freeloc.runtime.Network`."""
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *extra_inputs: Float32Array) -> tuple[Float32Array, ...]:
        """Implement `freeloc.runtime.Network`."""
        outputs = self._compute(
            torch.from_numpy(canvas)[None], [torch.from_numpy(item) for item in extra_inputs]
        )
        return tuple(output[0] for output in outputs)

    def run_many(
        self, canvases: Sequence[Canvas], extra_inputs: Sequence[tuple[Float32Array, ...]] | None = None
    ) -> list[tuple[Float32Array, ...]]:
        """Implement `freeloc.runtime.Network`."""
        if len({canvas.shape for canvas in canvases}) > 1:
            raise ValueError("run_many requires canvases of equal shape")
        results: list[tuple[Float32Array, ...]] = []
        while len(results) < len(canvases):
            height, width = canvases[0].shape[:2]
            size = max(1, min(self.batch, self._max_pixels // (height * width)))
            part = slice(len(results), len(results) + size)
            try:
                results += self._batch(canvases[part], None if extra_inputs is None else extra_inputs[part])
            except torch.OutOfMemoryError:
                count = len(canvases[part])
                if count == 1:
                    raise
                self._max_pixels = count * height * width // 2
        return results

    def _batch(
        self, canvases: Sequence[Canvas], extra_inputs: Sequence[tuple[Float32Array, ...]] | None
    ) -> list[tuple[Float32Array, ...]]:
        stacks = [self._stack(arrays) for arrays in zip(*(extra_inputs or ()), strict=True)]
        outputs = self._compute(self._stack(canvases), stacks)
        # Copied, so that the result for one image does not keep the whole batch in memory.
        return [tuple(output[index].copy() for output in outputs) for index in range(len(canvases))]

    def _compute(self, canvases: Tensor, extra_inputs: Sequence[Tensor]) -> list[Float32Array]:
        if self._device.type == "cuda" and self._owner != os.getpid():
            raise forked_with_cuda()
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"),
            disable_tf32(self._device, enabled=self.precision == "float32"),
        ):
            outputs = _as_tuple(self._backbone(self._to_device(canvases)))
            if self._appended is not None:
                values = self._appended(outputs[0], *map(self._to_device, extra_inputs))
                outputs = (*_as_tuple(values), *outputs[1:])
        return [output.float().cpu().numpy() for output in outputs]

    def _to_device(self, values: Tensor) -> Tensor:
        # From pinned memory, the copy overlaps with the previous computation.
        return values.to(self._device, non_blocking=True)

    def _stack(self, arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
        """Stack arrays into one tensor, in pinned memory for a GPU; smaller arrays are padded with zeros."""
        shape = tuple(max(sides) for sides in zip(*(array.shape for array in arrays), strict=True))
        dtype = torch.from_numpy(arrays[0]).dtype
        stack = torch.empty((len(arrays), *shape), dtype=dtype, pin_memory=self._device.type == "cuda")
        for target, array in zip(stack.numpy(), arrays, strict=True):
            if array.shape != shape:
                target[...] = 0
            target[tuple(map(slice, array.shape))] = array
        return stack


def _as_tuple(values: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return values if isinstance(values, tuple) else (values,)
