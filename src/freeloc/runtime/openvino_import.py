"""Import OpenVINO; the error raised if this fails explains how to fix the installation."""

from __future__ import annotations

from typing import Any

from freeloc.errors import MissingDependencyError
from freeloc.io.limits import check_resources

__all__ = ["load_openvino"]


def load_openvino() -> Any:
    """Import and return the package ``openvino``.

    Raises:
        MissingDependencyError: it cannot be imported.
    """
    try:
        import openvino
    except ImportError as error:
        check_resources(error)
        raise MissingDependencyError(
            f"OpenVINO cannot be imported ({error}): reinstall it, or choose the runtime 'torch'"
        ) from error
    return openvino
