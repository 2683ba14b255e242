"""The process that runs an int8 network for another process; see `freeloc.runtime.int8`.

It reads requests from its standard input and writes replies to its standard output (`freeloc.runtime.frames`). The
first request contains the network; all others contain a canvas each, and are processed concurrently. The process
ends as soon as its standard input is closed, which the operating system does when the other process ends, however
it ends.
"""

from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from freeloc.errors import FreelocError
from freeloc.runtime.frames import Frame, FrameKind, read_frame, write_frame
from freeloc.runtime.int8 import QuantizedGraph, compile_in_process
from freeloc.runtime.protocol import Network

__all__ = ["main"]


def main() -> None:
    """Serve requests until standard input is closed."""
    warnings.simplefilter("ignore")
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    replies = _Replies(os.fdopen(os.dup(1), "wb", buffering=0))
    # Whatever a library prints must not mix with the replies.
    os.dup2(2, 1)
    network = _compile(read_frame(requests), replies)
    if network is None:
        return
    with ThreadPoolExecutor(network.threads) as pool:
        while (frame := read_frame(requests)) is not None:
            pool.submit(_run, network, frame, replies)
        # Nobody waits for the results that are being computed.
        os._exit(0)


class _Replies:
    """Replies, which several threads send."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, frame: Frame) -> None:
        try:
            with self._lock:
                write_frame(self._stream, frame)
        except OSError:  # the other process no longer reads
            os._exit(0)

    def fail(self, number: int, error: Exception) -> None:
        facts = {
            "error": type(error).__name__,
            "message": str(error),
            "parameter": error.parameter if isinstance(error, FreelocError) else None,
        }
        self.send(Frame.of_facts(number, FrameKind.ERROR, facts))


def _compile(frame: Frame | None, replies: _Replies) -> Network | None:
    if frame is None:
        return None
    structure, weights, _ = frame.arrays
    try:
        network = compile_in_process(
            QuantizedGraph(structure.tobytes(), weights.tobytes()), streams=frame.facts()["streams"]
        )
    except Exception as error:  # noqa: BLE001 - raised again in the process that waits for the reply
        replies.fail(frame.number, error)
        return None
    facts = {"precision": network.precision, "threads": network.threads, "streams": network.streams}
    replies.send(Frame.of_facts(frame.number, FrameKind.RESULT, facts))
    return network


def _run(network: Network, frame: Frame, replies: _Replies) -> None:
    try:
        canvas, *extra_inputs = frame.arrays
        outputs = network.run(canvas, *extra_inputs)
    except Exception as error:  # noqa: BLE001 - raised again in the process that waits for the reply
        replies.fail(frame.number, error)
    else:
        replies.send(Frame(frame.number, FrameKind.RESULT, outputs))
