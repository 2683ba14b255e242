"""Start, use and end the process of `freeloc.runtime.int8_worker`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from multiprocessing.spawn import get_executable
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import numpy.typing as npt

from freeloc.runtime.frames import Frame, FrameKind, read_frame, write_frame

__all__ = ["WorkerEndedError", "WorkerProcess", "worker_executable"]

_BOOTSTRAP: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from freeloc.runtime.int8_worker import main; main()"
)
"""The worker imports packages from the folders from which this process imports them (`_import_folders`), so that
nothing is imported from the working directory, where any file may be called like a module of Python's."""

_PACKAGES: Final = ("freeloc", "numpy", "openvino")


class WorkerEndedError(Exception):
    """The process ended before it replied; the message says why, as far as that is known."""


def worker_executable() -> str | None:
    """Return the Python interpreter that runs the worker; None in an application that contains its interpreter.

    Such an application would start itself a second time. A program that embeds Python can specify an interpreter
    with ``multiprocessing.set_executable``.
    """
    executable = get_executable()
    return None if getattr(sys, "frozen", False) or not executable else os.fsdecode(executable)


class WorkerProcess:
    """The process, to which several threads may send requests.

    It ends when this object is deleted or this process ends. In a process created by ``os.fork``, the object can
    no longer be used.

    Args:
        environment: environment variables of the process.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        executable = worker_executable()
        if executable is None:
            raise FileNotFoundError("there is no Python interpreter")
        folders = json.dumps(_import_folders())
        # A file, because nobody reads a pipe until the process has ended.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        environment = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
        self._process = _start([executable, "-P", "-c", _BOOTSTRAP, folders], self._errors, environment)
        self._requests = cast("BinaryIO", self._process.stdin)
        self._replies = cast("BinaryIO", self._process.stdout)
        weakref.finalize(self, _end, self._process, os.getpid())
        _workers.add(self)
        self._numbers = count()
        self._sending = threading.Lock()
        self._inbox = _Inbox()
        # The thread keeps no reference to this object, whose deletion ends the process and thereby the thread.
        threading.Thread(
            target=self._inbox.receive, args=(self._replies,), name="freeloc-int8", daemon=True
        ).start()

    @property
    def ended(self) -> bool:
        """Whether the process has ended, or belongs to the process from which this one was forked."""
        return self._inbox.closed

    def request(
        self, kind: FrameKind, arrays: Sequence[npt.NDArray[Any]], facts: dict[str, Any] | None = None
    ) -> Frame:
        """Send a request and wait for its reply.

        Raises:
            WorkerEndedError: the process ended before it replied.
        """
        number = next(self._numbers)
        frame = Frame(number, kind, arrays) if facts is None else Frame.of_facts(number, kind, facts, arrays)
        reply = self._inbox.expect(number)
        try:
            with self._sending:
                write_frame(self._requests, frame)
        except OSError:
            self._process.kill()  # it no longer reads; the reader thread reports its end to all threads
        except BaseException:  # Ctrl+C, for example: after half a frame, no other can follow
            self._process.kill()
            raise
        received = reply.result()
        if received is None:
            raise WorkerEndedError(self._describe_end())
        return received

    def _describe_end(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        code = self._process.returncode
        reason = f"exit code {code}"
        if code is not None and code < 0:
            known = {item.value: item.name for item in signal.Signals}
            reason = f"signal {known.get(-code, -code)}"
        with suppress(OSError, ValueError):
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            if last:
                reason += f": {last}"
        return reason

    def _abandon(self) -> None:
        """Release what a fork has copied; the pipes must not stay open once the other process has ended."""
        self._inbox = _Inbox()
        self._inbox.close()
        for file in (self._requests, self._replies, self._errors):
            with suppress(OSError):
                file.close()
        self._process.returncode = 0  # it is no child of this process, so nobody can wait for it


class _Inbox:
    """Replies that threads are waiting for."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: dict[int, Future[Frame | None]] = {}
        self._lock = threading.Lock()

    def expect(self, number: int) -> Future[Frame | None]:
        """Return the future reply to a request; None is its result if the process ends first."""
        reply: Future[Frame | None] = Future()
        with self._lock:
            if self.closed:
                reply.set_result(None)
            else:
                self._waiting[number] = reply
        return reply

    def receive(self, replies: BinaryIO) -> None:
        """Pass on replies until the process ends."""
        try:
            while (frame := read_frame(replies)) is not None:
                with self._lock:
                    reply = self._waiting.pop(frame.number, None)
                if reply is not None:
                    reply.set_result(frame)
        except (OSError, ValueError, IndexError, MemoryError):  # not frames, or closed here
            pass
        finally:
            self.close()

    def close(self) -> None:
        with self._lock:
            self.closed = True
            waiting, self._waiting = self._waiting, {}
        for reply in waiting.values():
            reply.set_result(None)


def _import_folders() -> list[str]:
    """Return the folders of ``sys.path``, except those relative to a working directory that may have changed.

    The folders that contain freeloc itself and the packages it requires are always included.
    """
    folders = [folder for folder in sys.path if isinstance(folder, str) and os.path.isabs(folder)]  # noqa: PTH117
    for name in _PACKAGES:
        file: str | None = getattr(sys.modules.get(name), "__file__", None)
        if file is not None:
            folders.append(str(Path(file).absolute().parents[1]))
    return list(dict.fromkeys(folders))


def _start(command: list[str], errors: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process that Ctrl+C in the terminal does not reach, because this process decides when it ends."""
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["process_group"] = 0
    return subprocess.Popen(command, bufsize=0, env=environment, **options)  # noqa: S603 - our own command


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _abandon_all() -> None:
    for worker in list(_workers):
        worker._abandon()  # noqa: SLF001 - a function of this class, called by Python after a fork


_workers: Final[weakref.WeakSet[WorkerProcess]] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
