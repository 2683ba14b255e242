"""Import OpenVINO silently, create its core, and replace its errors by ones that explain the fix."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, cast

from freeloc._log import get_logger
from freeloc.errors import MissingDependencyError, ModelError
from freeloc.io.limits import MIN_NETWORK_MEMORY, check_memory_limit, check_resources

__all__ = ["load_openvino", "openvino_core", "openvino_errors", "without_telemetry"]

_log = get_logger(__name__)

_TELEMETRY: Final = "openvino_telemetry"

_cores: Final[dict[int, Any]] = {}
"""The core of this process, and those of the processes from which it was forked, by process number."""


def load_openvino() -> Any:
    """Import and return the package ``openvino``.

    Raises:
        MissingDependencyError: it cannot be imported.
    """
    try:
        with without_telemetry("openvino"):
            import openvino
    except ImportError as error:
        check_resources(error)
        raise MissingDependencyError(
            f"OpenVINO cannot be imported ({error}): reinstall it, or choose the runtime 'torch'"
        ) from error
    return openvino


def openvino_core() -> Any:
    """Return the only ``openvino.Core`` that freeloc uses in this process.

    Every core gives its thread a new stack for signal handlers. If cores and their networks are deleted in the
    order in which they were created, OpenVINO 2026.4 restores a stack that it has already freed, and the next
    signal, such as Ctrl+C, ends the process with a segmentation fault. This core is never deleted. A process
    created by ``os.fork`` needs one of its own, because the threads of the other are not copied.

    Raises:
        MissingDependencyError: OpenVINO cannot be imported.
        ResourceError: the address space of this process is limited to less than OpenVINO needs.
    """
    process = os.getpid()
    if process not in _cores:
        check_memory_limit(MIN_NETWORK_MEMORY)
        core = load_openvino().Core()
        # Not even deleted when the process ends, because threads of OpenVINO may still be running then.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(core))
        _cores.setdefault(process, core)
    return _cores[process]


@contextmanager
def openvino_errors(task: str, *, int8: bool = False) -> Iterator[None]:
    """Replace an error of OpenVINO, whose text quotes its source code, by one that explains the fix.

    The text is logged at level DEBUG.

    Args:
        task: what OpenVINO does in the block, such as "compile the network".
        int8: whether the network is the model's int8 network.

    Raises:
        ModelError: OpenVINO raised an error.
        ResourceError: there is not enough memory.
    """
    try:
        yield
    except RuntimeError as error:
        check_resources(error)
        _log.debug("OpenVINO: %s", error)
        fix = (
            "quantize the model again, or choose another precision" if int8 else "choose the runtime 'torch'"
        )
        raise ModelError(
            f"OpenVINO {load_openvino().__version__} cannot {task}: {fix}",
            parameter="precision" if int8 else "runtime",
        ) from error


@contextmanager
def without_telemetry(package: str) -> Iterator[None]:
    """Let a package be imported as if OpenVINO's telemetry package were not installed.

    OpenVINO and NNCF send usage statistics over the network and write to ``~/intel``, OpenVINO as soon as it is
    imported. They do neither without that package. It can be switched off only by a file in the user's home folder
    or by environment variables that also concern other programs, so it is hidden during the import instead.

    Args:
        package: the package to import. If it has been imported before, nothing changes.
    """
    if package in sys.modules:
        yield
        return
    installed = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = cast("ModuleType", None)
    try:
        yield
    finally:
        if installed is None:
            sys.modules.pop(_TELEMETRY, None)
        else:
            sys.modules[_TELEMETRY] = installed
