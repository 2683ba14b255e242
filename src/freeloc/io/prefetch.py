"""Work done ahead in threads, in order and with flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int = 2, depth: int | None = None
) -> Iterator[Result]:
    """Yield ``work(item)`` for every item, in order, a few items ahead of the caller.

    At most ``depth`` results wait at a time. An exception in ``work`` is raised when its turn comes.

    Args:
        work: what is done in the threads; decoding and file reading release the interpreter lock.
        items: what it is done to; taken one by one.
        threads: how many threads work.
        depth: how many results may wait; default four for each thread, so that none is ever idle.
    """
    depth = 4 * threads if depth is None else depth
    with ThreadPoolExecutor(threads, "ahead") as pool:
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
