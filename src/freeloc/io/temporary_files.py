"""Names of temporary files, and the deletion of those that a killed process left behind."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["delete_abandoned_files", "temporary_name"]

# Earlier versions wrote names without machine and process, and graphs under names that end in .xml and .bin.
_NAME: Final = re.compile(
    r"\.(?:(?P<machine>[0-9a-f]{8})-(?P<process>[0-9]{1,10})-)?[0-9a-f]{16}\.(?:part|part\.xml|part\.bin|xml|bin)"
)

_DAY: Final = 24 * 3600

_MIN_AGE: Final = _DAY
"""Minimum age, in seconds, of the temporary files that are deleted. The age is measured from the last write."""

_MIN_AGE_OF_OTHERS: Final = 7 * _DAY
"""The same for files of processes that cannot be looked up, because they run on another computer that shares the
folder, or in another container."""


def temporary_name() -> str:
    """Return a new name of a temporary file of this process.

    The name does not include the name of the final file, which may already have the maximum length.
    """
    return f".{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.part"


def delete_abandoned_files(folder: Path, *, min_age: float = _MIN_AGE) -> None:
    """Delete the temporary files in a folder that were left behind by processes that no longer run.

    A file is deleted if its process has ended and nothing has been written to it for a day. The age protects a
    file whose process is not visible from here. Files with other names are never deleted, and errors are ignored.

    Args:
        folder: the folder, which need not exist; its subfolders are not searched.
        min_age: minimum age, in seconds, of the files of processes of this computer that have ended.
    """
    now = time.time()
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name) if entry.name.startswith(".") else None
            if match is None:
                continue
            with suppress(OSError):
                age = now - entry.stat(follow_symlinks=False).st_mtime
                if age >= _min_age(match["machine"], match["process"], min_age):
                    Path(entry.path).unlink()


def _min_age(machine: str | None, process: str | None, of_ended: float) -> float:
    if machine is None or process is None:
        return _MIN_AGE
    if machine != _machine() or os.name != "posix":
        return _MIN_AGE_OF_OTHERS
    try:
        os.kill(int(process), 0)  # tests whether the process exists, without sending a signal
    except ProcessLookupError:
        return of_ended
    except (PermissionError, OverflowError):
        pass
    return float("inf")


@cache
def _machine() -> str:
    """Return an identifier of this computer or, in a container, of its process numbers."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the target is not a path
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]
