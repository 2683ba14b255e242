"""Tables of results for pandas, compared with the records."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import freeloc
from freeloc.errors import ConfigurationError, MissingDependencyError
from freeloc.inference.result import Localization
from freeloc.writers.table_rows import COLUMNS

pd: Any = pytest.importorskip("pandas", reason="pandas is not installed")


def test_a_row_per_class_states_what_the_record_states(tiny_result: Localization) -> None:
    frame = tiny_result.to_pandas(threshold=0.4, peaks=2, boxes=3)
    record = tiny_result.to_dict(threshold=0.4, peaks=2, boxes=3)
    assert list(frame.columns) == [*COLUMNS, "peaks", "boxes"]
    for row, expected in zip(frame.to_dict("records"), record["classes"], strict=True):
        assert (row["image"], row["width"], row["height"]) == ("album/street.jpg", 90, 60)
        assert row["class"] == expected["name"]
        for name in ("score", "probability", "present", "x", "y", "peaks", "boxes"):
            assert row[name] == expected[name]
        best = expected["boxes"][0] if expected["boxes"] else {}
        for name in ("x1", "y1", "x2", "y2", "score"):
            value = row[f"box_{name}"]
            assert value == best[name] if best else math.isnan(value)
    assert frame["present"].dtype == bool


def test_what_was_not_requested_has_no_column(tiny_result: Localization) -> None:
    assert list(tiny_result.to_pandas().columns) == list(COLUMNS[:11])
    assert list(tiny_result.to_pandas(peaks=1).columns) == [*COLUMNS[:11], "peaks"]
    assert list(tiny_result.to_pandas(boxes=1).columns) == [*COLUMNS, "boxes"]


def test_results_of_several_images_form_one_table(tiny_result: Localization) -> None:
    other = dataclasses.replace(tiny_result, path=Path("b.jpg"))
    frame = freeloc.to_pandas(iter([tiny_result, other]))
    assert frame.groupby("image")["class"].nunique().to_dict() == {"album/street.jpg": 4, "b.jpg": 4}
    pd.testing.assert_frame_equal(freeloc.to_pandas(tiny_result), tiny_result.to_pandas())
    empty = freeloc.to_pandas([])
    assert (len(empty), list(empty.columns)) == (0, list(COLUMNS[:11]))


def test_arguments_are_checked(tiny_result: Localization) -> None:
    with pytest.raises(ConfigurationError, match="threshold is 2"):
        tiny_result.to_pandas(threshold=2)
    with pytest.raises(
        ConfigurationError, match="results contains a value 's': pass what a localizer returns"
    ):
        freeloc.to_pandas("street.jpg")  # type: ignore[arg-type]


def test_a_missing_package_is_named(tiny_result: Localization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="require pandas, .*: run pip install pandas"):
        tiny_result.to_pandas()
