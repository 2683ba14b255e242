"""Keep the warnings of other libraries off the terminal.

Pillow warns of damaged metadata and matplotlib of missing glyphs, in words that do not help the user of freeloc.
Nothing here changes what the caller's own use of these libraries prints, or overrides a filter for warnings that
the caller, a command-line option of Python or ``PYTHONWARNINGS`` has set.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["is_silenced", "silence_warnings"]

# Without a handler, Python prints these libraries' log messages to standard error.
for _name in ("PIL", "matplotlib"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

_thread = threading.local()


def is_silenced() -> bool:
    """Return whether the current thread is inside `silence_warnings`."""
    return getattr(_thread, "depth", 0) > 0


class _InSilencedThread:
    """Stands for the module name in a filter, and matches while the current thread is in `silence_warnings`."""

    def match(self, module: str) -> bool:  # noqa: ARG002 - called as a regular expression is
        return is_silenced()


# warnings.catch_warnings would change the filters of all threads, and restore them in the wrong order.
_FILTER: Any = ("ignore", None, Warning, _InSilencedThread(), 0)


@contextmanager
def silence_warnings() -> Iterator[None]:
    """Ignore the warnings that the current thread raises inside this context, unless another filter matches."""
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    if _FILTER not in filters:  # at the end, so that all other filters take precedence
        filters.append(_FILTER)
    _thread.depth = getattr(_thread, "depth", 0) + 1
    try:
        yield
    finally:
        _thread.depth -= 1
