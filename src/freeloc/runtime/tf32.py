"""Full float32 on GPUs, where torch's convolutions round their inputs to 11 bits by default (TF32)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

__all__ = ["disable_tf32"]


@contextmanager
def disable_tf32(device: torch.device, *, enabled: bool = True) -> Iterator[None]:
    """Disable TF32 within a context, so that convolutions on a GPU compute in full float32.

    The previous setting is restored at the end.

    Args:
        device: device that runs the convolutions; a CPU is not affected.
        enabled: whether to disable TF32; if False, nothing changes.
    """
    if device.type != "cuda" or not enabled:
        yield
        return
    with _switch.off():
        yield


class _Tf32Switch:
    """torch's TF32 setting for convolutions, which applies to the whole process.

    Several threads may disable it at the same time: the first saves the setting, and the last restores it.
    """

    def __init__(self) -> None:
        # Since torch 2.9, convolutions have a separate setting. The older one, for all of cuDNN, cannot be
        # read while the two differ, so torch.backends.cudnn.flags, which reads it, must not be used in the
        # meantime.
        convolutions: object = getattr(torch.backends.cudnn, "conv", None)
        self._settings = torch.backends.cudnn if convolutions is None else convolutions
        self._name = "allow_tf32" if convolutions is None else "fp32_precision"
        self._off: object = False if convolutions is None else "ieee"
        self._lock = threading.Lock()
        self._users = 0
        self._saved: object = None

    @contextmanager
    def off(self) -> Iterator[None]:
        with self._lock:
            if self._users == 0:
                self._saved = getattr(self._settings, self._name)
                setattr(self._settings, self._name, self._off)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    setattr(self._settings, self._name, self._saved)


_switch: Final = _Tf32Switch()
