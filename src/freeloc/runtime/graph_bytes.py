"""Serialize OpenVINO graphs to bytes in memory."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from freeloc._log import get_logger
from freeloc.errors import OutputError
from freeloc.io.limits import resource_error
from freeloc.runtime.openvino_import import load_openvino

__all__ = ["graph_bytes"]

_log = get_logger(__name__)

_MEMORY_FOLDER: Final = "/dev/shm"  # noqa: S108 - only used through TemporaryDirectory
"""A folder of Linux whose files are in memory. It also exists where the usual temporary folder is full or missing,
such as in a container without a writable disk."""

_END: Final = b"</net>"


def graph_bytes(graph: Any) -> tuple[bytes, bytes]:
    """Return a graph in OpenVINO's file format: its structure (XML) and its weights.

    OpenVINO only writes to files. These are temporary and, where possible, in memory.

    Raises:
        OutputError: neither in memory nor on disk can the files be written.
        ResourceError: too many files are open, or there is not enough memory.
    """
    failures: list[str] = []
    for parent in (_MEMORY_FOLDER, None):
        if parent is not None and not os.access(parent, os.W_OK):
            continue
        try:
            with TemporaryDirectory(prefix="freeloc-", dir=parent) as folder:
                file = Path(folder) / "graph.xml"
                load_openvino().save_model(graph, file, compress_to_fp16=False)
                structure, weights = file.read_bytes(), file.with_suffix(".bin").read_bytes()
        except (OSError, RuntimeError) as error:  # RuntimeError: from OpenVINO
            shortage = resource_error(error)
            if shortage is not None:
                raise shortage from error
            _log.debug("OpenVINO cannot write %s: %s", parent, error)
            failures.append(
                (isinstance(error, OSError) and error.strerror) or "the folder cannot be written to"
            )
            continue
        if structure.rstrip().endswith(_END):  # OpenVINO may not notice that the structure is truncated
            return structure, weights
        failures.append("the file is truncated")
    raise OutputError(
        f"OpenVINO cannot write a temporary file with the network ({failures[-1]}): free space in the temporary "
        "folder, raise the limit on file sizes (ulimit -f), or set TMPDIR to another folder"
    )
