"""Helpers that write tag lists and read them back."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from PIL import Image

from freeloc.datasets import DataProblems, Dataset, DatasetChecks, open_dataset
from freeloc.datasets.class_names import clean_name
from freeloc.datasets.problems import Problem
from freeloc.datasets.tags.cells import is_missing_word


def images(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Every image has its own color, so no two files are equal by chance.
        Image.new("RGB", (8, 6), tuple(zlib.crc32(os.fsencode(path)).to_bytes(4)[1:])).save(path)


def write(file: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    return file


def names_of(data: Dataset) -> list[str]:
    return [sample.path.name for sample in data]


def problems_of(path: Path, **options: Any) -> list[Problem]:
    with pytest.raises(DataProblems) as caught:
        open_dataset(path, **options)
    return list(caught.value.problems)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip)


TAGS = NAMES.map(clean_name).filter(lambda tag: tag and tag[0] not in "'\"`“‘„«" and not is_missing_word(tag))


CELL_TAGS = TAGS.filter(lambda tag: not set(tag) & set(",;|[({'\"`’”"))


def rows_of(tags: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[list[str], list[str]]]]:
    row = st.tuples(st.lists(tags, max_size=3, unique=True), st.lists(tags, max_size=2, unique=True))
    disjoint = row.map(lambda pair: (pair[0], [tag for tag in pair[1] if tag not in pair[0]]))
    # A list without any tag has no classes and is rejected, which a separate test covers.
    return st.lists(disjoint, min_size=1, max_size=5).filter(lambda rows: any(map(any, rows)))


def check_round_trip(file: Path, rows: list[tuple[list[str], list[str]]]) -> None:
    data = open_dataset(file, checks=DatasetChecks(decode=False))
    assert data.classes == tuple(sorted({tag for row in rows for tags in row for tag in tags}))
    read = [
        (
            {name for name, label in zip(data.classes, sample.labels, strict=True) if label == 1},
            {name for name, label in zip(data.classes, sample.labels, strict=True) if label == 0},
        )
        for sample in data
    ]
    assert read == [(set(present), set(unknown)) for present, unknown in rows]
