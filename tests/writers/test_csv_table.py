"""CSV tables, read back by Python's csv, pandas, DuckDB and pyarrow."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from freeloc.errors import OutputError
from freeloc.writers.table_rows import COLUMNS
from tests.hostile_names import HOSTILE
from tests.writers.image_records import (
    MUG,
    class_record,
    image_record,
    mug_record,
    write_records,
    write_turned_image,
)

NAMES = (
    *(
        "mug",
        "salt, pepper",
        'say "hi"',
        "it's",
        "<&>",
        "a;b",
        "a\tb",
        "=1+1",
        "#1",
        "null",
        " x ",
        "кот",
        "🐕",
    ),
    *(name for name in HOSTILE.values() if "\udce9" not in name),
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The table of an image stored turned, with many classes and a box of each."""
    image = write_turned_image(tmp_path / 'ä "b", #c.jpg')
    classes = [class_record(name, index, boxes=[(*MUG, 0.9)]) for index, name in enumerate(NAMES)]
    (path,) = write_records("csv", tmp_path, [(image_record(image, *classes), "a")]).files
    return path


def check(rows: list[dict[str, Any]], table: Path) -> None:
    assert [row["class"] for row in rows] == list(NAMES)
    for row in rows:
        assert Path(row["image"]).parent == table.parent
        assert Path(row["image"]).is_file()
        assert (int(row["width"]), int(row["height"])) == (80, 120)
        assert tuple(float(row[f"box_{edge}"]) for edge in ("x1", "y1", "x2", "y2")) == MUG
        assert (float(row["x"]), float(row["y"]), float(row["probability"])) == (35, 60, 0.9)


def test_python_reads_it(table: Path) -> None:
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == list(COLUMNS)
    check(rows, table)
    assert {(row["present"], row["frame"], row["time"]) for row in rows} == {("1", "", "")}


def test_pandas_reads_it(table: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    check(pandas.read_csv(table, keep_default_na=False).to_dict("records"), table)


def test_duckdb_reads_it(table: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    found = duckdb.execute("SELECT * FROM read_csv(?)", [str(table)])
    names = [each[0] for each in found.description]
    check([dict(zip(names, row, strict=True)) for row in found.fetchall()], table)


def test_pyarrow_reads_it(table: Path) -> None:
    arrow = pytest.importorskip("pyarrow.csv", reason="the extra parquet is not installed")
    options = arrow.ParseOptions(newlines_in_values=True)
    check(arrow.read_csv(table, parse_options=options).to_pylist(), table)


def test_what_is_unknown_is_empty(tmp_path: Path) -> None:
    record = image_record("a.jpg", class_record("mug", 0, boxes=None), class_record("cup", 1, 0.2))
    (path,) = write_records("csv", tmp_path, [(record, "a")]).files
    mug, cup = csv.DictReader(path.read_text("utf-8").splitlines())
    assert mug["box_x1"] == mug["box_score"] == cup["box_x1"] == ""
    assert (mug["present"], cup["present"]) == ("1", "0")


def test_paths_are_bytes_and_class_names_are_unicode(tmp_path: Path) -> None:
    (path,) = write_records("csv", tmp_path / "1", [(mug_record("caf\udce9.jpg"), "a")]).files
    assert b"caf\xe9.jpg,,,80,120,mug" in path.read_bytes()
    for record, what in (
        (image_record("a.jpg", class_record("dog\udce9", 0)), "classes"),
        (image_record("a.jpg", class_record("dog\ud800", 0)), "classes"),
        (mug_record("a\ud800.jpg"), "image"),
    ):
        with pytest.raises(
            OutputError, match=f"csv cannot hold .*: names must be valid Unicode.*the {what}$"
        ):
            write_records("csv", tmp_path / "2", [(record, "a")])
    assert path.parent.is_dir()
    assert (tmp_path / "2" / "predictions.csv").read_text().splitlines() == [",".join(COLUMNS)]
