"""Run torch in one thread in processes created by ``os.fork``.

torch shares its work among threads. A forked process (``multiprocessing`` with the start method "fork") has a copy
of the library that counts on these threads, but not the threads themselves. If torch has computed anything in the
parent process, the first large operation of the child would therefore wait for them forever. With a single thread,
no operation waits; torch's own data loaders do the same in their workers.
"""

from __future__ import annotations

import os
import sys

__all__ = ["use_one_thread_after_fork"]


def use_one_thread_after_fork() -> None:
    """Make torch compute in one thread in every process that is forked from now on."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
        os.register_at_fork(after_in_child=_use_one_thread)


def _use_one_thread() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)
