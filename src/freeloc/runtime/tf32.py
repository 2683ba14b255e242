"""Float32 that is float32: torch lets convolutions on a GPU round their factors to eleven bits (TF32)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["disable_tf32"]

_lock = threading.Lock()
_inside = 0
_before: object = None


@contextmanager
def disable_tf32(device: torch.device, *, enabled: bool = True) -> Iterator[None]:
    """Inside, float32 convolutions on a GPU compute in float32; what was set before is set again at the end.

    Torch knows one setting for the whole process. Several threads may be inside at once: the first notes what was
    set, and the last one to leave restores it.

    Args:
        device: where is computed; for a processor nothing is changed.
        enabled: False changes nothing either.
    """
    if device.type != "cuda" or not enabled:
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _before  # noqa: PLW0603 - as there is one setting, there is one count
    with _lock:
        if _inside == 0:
            _before = _setting()
            _set(_EXACT)
        _inside += 1


def _leave() -> None:
    global _inside  # noqa: PLW0603
    with _lock:
        _inside -= 1
        if _inside == 0:
            _set(_before)


# From torch 2.9 on convolutions have a setting of their own. The older one, for all of cuDNN, cannot be read while
# the two differ: torch.backends.cudnn.flags, which reads it, must not be entered inside.
_convolutions: object = getattr(torch.backends.cudnn, "conv", None)
_PLACE = (torch.backends.cudnn, "allow_tf32") if _convolutions is None else (_convolutions, "fp32_precision")
_EXACT = False if _convolutions is None else "ieee"


def _setting() -> object:
    place, name = _PLACE
    return getattr(place, name)


def _set(value: object) -> None:
    place, name = _PLACE
    setattr(place, name, value)
