"""Missing packages are named before a study starts."""

from __future__ import annotations

import sys

import pytest

from freeloc.errors import MissingDependencyError
from freeloc.paper import select_rows
from freeloc.paper.requirements import check_packages


@pytest.mark.parametrize(("package", "rows"), [("matplotlib", {"weak"}), ("cv2", {"weak", "proposals"})])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str, rows: set[str]) -> None:
    pytest.importorskip("matplotlib", reason="the extra reproduce is not installed")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"run pip install 'freeloc\[reproduce\]'") as caught:
        check_packages(select_rows(rows))
    assert caught.value.extra == "reproduce"
    if package == "cv2":
        check_packages(select_rows({"weak", "extents"}))  # rows without proposals do not need it
