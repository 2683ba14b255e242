"""Networks run by torch: on a GPU, and on request on the processor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from freeloc.geometry import Float32Array
from freeloc.runtime.network import Canvas, Precision

__all__ = ["TorchNetwork"]


class TorchNetwork:
    """A trunk and its tail in torch.

    Args:
        trunk: the frozen trunk.
        tail: takes features and what `run` gets beside the canvas; None runs the trunk alone.
        precision: arithmetic; bfloat16 by autocast.
        device: where.
    """

    runtime = "torch"
    threads = 2  # one decodes while the other computes

    def __init__(
        self, trunk: nn.Module, tail: nn.Module | None, precision: Precision, device: torch.device
    ) -> None:
        if precision == "auto":
            native = device.type == "cuda" and torch.cuda.is_bf16_supported()
            precision = "bfloat16" if native else "float32"
        self.precision: str = precision
        self._device = device
        self._trunk = trunk.eval().to(device)
        # What both oneDNN and tensor cores are fastest on.
        self._trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._tail = None if tail is None else tail.eval().to(device)

    def __call__(self, canvas: Canvas) -> Float32Array:
        """See `freeloc.runtime.Network`."""
        return self.run(canvas)[0]

    def run(self, canvas: Canvas, *inputs: Float32Array) -> tuple[Float32Array, ...]:
        """See `freeloc.runtime.Network`."""
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bfloat16"),
        ):
            found = self._trunk(torch.from_numpy(canvas)[None].to(self._device))
            if self._tail is not None:
                found = self._tail(found, *(torch.from_numpy(item).to(self._device) for item in inputs))
        outputs: tuple[Tensor, ...] = found if isinstance(found, tuple) else (found,)
        return tuple(output[0].float().cpu().numpy() for output in outputs)
