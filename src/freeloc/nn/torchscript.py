"""Silence what torch says about TorchScript, which OpenVINO and timm still use."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["silence_torchscript"]

_lock: Final = threading.RLock()
"""Held while warnings are ignored: two threads that did so at once could leave the wrong filters behind."""


@contextmanager
def silence_torchscript() -> Iterator[None]:
    """Ignore torch's warnings that TorchScript is deprecated, whatever filters the user has set.

    freeloc does not use TorchScript itself, so neither users nor freeloc can act on them. Their category depends
    on the version of torch; since 2.14, they are shown by default.
    """
    with _lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is ", category=Warning)
        yield
