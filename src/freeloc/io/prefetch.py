"""Process a stream of items concurrently, with ordered results and bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")


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
    with ThreadPoolExecutor(threads, "prefetch") as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > depth:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
