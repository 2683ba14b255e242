"""Full float32 on GPUs, where torch by default lets convolutions round their factors to 11 bits (TF32)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

__all__ = ["disable_tf32"]


@contextmanager
def disable_tf32(device: torch.device, *, enabled: bool = True) -> Iterator[None]:
    """Make float32 convolutions on a GPU compute in full float32 inside this context.

    The previous setting is restored at the end.

    Args:
        device: where the convolutions run; nothing changes for a CPU.
        enabled: False changes nothing.
    """
    if device.type != "cuda" or not enabled:
        yield
        return
    with _switch.off():
        yield


class _Tf32Switch:
    """torch's setting for convolutions, which applies to the whole process.

    Several threads may turn it off at the same time: the first one saves the setting, the last one restores it.
    """

    def __init__(self) -> None:
        # Since torch 2.9, convolutions have a setting of their own. The older one, for all of cuDNN, cannot be
        # read while the two differ: torch.backends.cudnn.flags, which reads it, must not be entered meanwhile.
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
