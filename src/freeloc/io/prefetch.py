"""Process a stream of items concurrently, with ordered results and bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias, TypeVar

__all__ = ["prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# A ThreadPoolExecutor has locks that are written in Python. If Ctrl-C interrupts the main thread while it takes
# one, the lock is never released, and the threads wait for it forever. The operations of a SimpleQueue are written
# in C, so they are not interrupted.
_Outcome: TypeAlias = "SimpleQueue[tuple[Result | None, BaseException | None]]"
_Tasks: TypeAlias = "SimpleQueue[tuple[Item, _Outcome[Result]] | None]"


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int = 2, depth: int | None = None
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for every item, in order; threads compute the results a few items ahead of the caller.

    If ``work`` raises an error for an item, the error is raised when that item's result would have been yielded.

    Args:
        work: the function to call. It runs concurrently while it releases the GIL, as file access and image
            decoding do.
        items: the items; each is requested shortly before it is processed.
        threads: number of threads.
        depth: maximum number of results computed ahead; defaults to four per thread, which keeps all threads busy.
    """
    depth = 4 * threads if depth is None else depth
    tasks: _Tasks[Item, Result] = SimpleQueue()
    workers: list[Thread] = []
    pending: deque[_Outcome[Result]] = deque()
    try:
        for item in items:
            pending.append(SimpleQueue())
            tasks.put((item, pending[-1]))
            if len(workers) < threads:
                # A thread that is interrupted while it starts may never run. As a daemon, it is not waited for.
                thread = Thread(target=_run, args=(work, tasks), name=f"prefetch_{len(workers)}", daemon=True)
                _start(thread)
                workers.append(thread)
            if len(pending) > depth:
                yield _result(pending.popleft())
        while pending:
            yield _result(pending.popleft())
    finally:
        with suppress(Empty):
            while True:
                tasks.get_nowait()
        tasks.put(None)
        for thread in workers:
            thread.join()


def _start(thread: Thread) -> None:
    """Start a thread, and raise the KeyboardInterrupt by which Ctrl-C interrupts that.

    If it arrives while Python waits for the thread, Python may release a lock that it does not hold, which raises
    a RuntimeError in place of the interrupt.
    """
    try:
        thread.start()
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


def _run(work: Callable[[Item], Result], tasks: _Tasks[Item, Result]) -> None:
    while (task := tasks.get()) is not None:
        item, outcome = task
        try:
            outcome.put((work(item), None))
        except BaseException as error:  # noqa: BLE001 - raised where the result is requested
            outcome.put((None, error))
        del task, item, outcome  # large arrays are not kept until the next task arrives
    tasks.put(
        None
    )  # for the other threads, of which one may be missing in the list if its start was interrupted


def _result(outcome: _Outcome[Result]) -> Result:
    value, error = outcome.get()
    if error is not None:
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame
    return value  # type: ignore[return-value] # without an error, there is a value
