"""Check that optional packages are installed before a study, which may take hours, starts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from freeloc.errors import MissingDependencyError
from freeloc.paper.row_plans import RowPlan

__all__ = ["check_packages"]


def check_packages(rows: Sequence[RowPlan]) -> None:
    """Check that the packages that the figures and the rows require are installed, without loading them.

    Raises:
        MissingDependencyError: a package is not installed.
    """
    required = {"matplotlib": "figures require matplotlib"}
    if any(row.box_method in ("detector", "proposals") for row in rows):
        required["cv2"] = "selective search requires OpenCV with its contrib modules"
    for package, purpose in required.items():
        if find_spec(package) is None:
            raise MissingDependencyError(
                f"{purpose}, which is not installed: run pip install 'freeloc[reproduce]'", extra="reproduce"
            )
