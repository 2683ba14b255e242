"""Parquet tables, read back by pyarrow, DuckDB and pandas, and compared with the CSV table."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest

from freeloc.errors import MissingDependencyError, OutputError
from freeloc.writers import parquet_table
from freeloc.writers.table_rows import COLUMNS
from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    mug_record,
    with_options,
    write_records,
)

parquet: Any = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is not installed")

MUG_BOX = dict(zip(("x1", "y1", "x2", "y2", "score"), (*MUG, 0.9), strict=True))


def test_rows_are_those_of_the_csv_table_with_lists(tmp_path: Path) -> None:
    records = [(mug_record("album/a.jpg"), "a"), (image_record("b.jpg", class_record("mug", 1)), "b")]
    for name in ("csv", "parquet"):
        write_records(name, tmp_path, records)
    rows = parquet.read_table(tmp_path / "predictions.parquet").to_pylist()
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    assert list(rows[0]) == [*COLUMNS, "peaks", "boxes"]
    shown = [
        {
            name: "" if row[name] is None else str(int(row[name]) if name == "present" else row[name])
            for name in COLUMNS
        }
        for row in rows
    ]
    assert shown == expected
    mug, lamp, other = rows
    assert (mug["class"], mug["present"], mug["width"], mug["x"]) == ("mug", True, 80, 35.0)
    assert mug["peaks"] == [{"x": 35, "y": 60, "value": 0.8}]
    assert mug["boxes"][0] == MUG_BOX
    assert len(mug["boxes"]) == 2
    assert (lamp["present"], lamp["peaks"]) == (False, None)
    assert (other["boxes"], other["box_score"]) == ([], None)


def test_duckdb_queries_lists(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    write_records("parquet", tmp_path, [(mug_record("a.jpg"), "a")])
    query = (
        "SELECT image, class, unnest(boxes, recursive := true) FROM read_parquet(?) "
        "WHERE present ORDER BY score DESC"
    )
    found = duckdb.execute(query, [str(tmp_path / "predictions.parquet")]).fetchall()
    assert ("a.jpg", "mug", *MUG, 0.9) in found
    assert len(found) == 2


def test_pandas_reads_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    write_records("parquet", tmp_path, [(mug_record("a.jpg"), "a")])
    frame = pandas.read_parquet(tmp_path / "predictions.parquet")
    assert frame.loc[frame["present"], "class"].tolist() == ["mug"]


def test_types_do_not_depend_on_the_content(tmp_path: Path) -> None:
    empty = class_record("mug", 0, 0.1, boxes=None)
    write_records("parquet", tmp_path / "1", [(image_record("a.jpg", empty), "a")])
    write_records("parquet", tmp_path / "2", [(mug_record("a.jpg"), "a")])
    schemas = [parquet.read_schema(tmp_path / folder / "predictions.parquet") for folder in ("1", "2")]
    assert schemas[0] == schemas[1]


def test_rows_are_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "_GROUP_ROWS", 4)
    pairs = [(mug_record(f"{number}.jpg"), str(number)) for number in range(5)]
    write_records("parquet", tmp_path, pairs)
    file = parquet.ParquetFile(tmp_path / "predictions.parquet")
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [4, 4, 2]
    assert file.read().column("image").to_pylist()[::2] == [f"{number}.jpg" for number in range(5)]


def test_what_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    record = image_record("a\udce9.jpg", class_record("mug", 0))
    with pytest.raises(
        OutputError, match=r"parquet cannot hold 'a.*': names must be valid Unicode.*rename the image"
    ):
        write_records("parquet", tmp_path, [(record, "a")])
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError, match=r"require pyarrow, .*pip install 'freeloc\[parquet\]'"):
        write_records("parquet", tmp_path, [], with_options())
