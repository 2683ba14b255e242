"""A file of any format that is cut off or changed is read, or refused in one sentence that names it.

`tests.fuzz` does the same for longer, with images and every option.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.datasets import DataProblems, DatasetChecks, open_dataset
from freeloc.errors import FreelocError
from tests.fuzz.label_seeds import SEEDS as LABEL_SEEDS
from tests.fuzz.tool_seeds import SEEDS as TOOL_SEEDS
from tests.fuzz.trees import IMAGE_SUFFIXES, Tree, write_tree
from tests.fuzz.verdict import judge

SEEDS = LABEL_SEEDS | TOOL_SEEDS
LISTS = sorted(SEEDS.keys() - {"folders", "voc", "coco"})  # the others have no lists, or several splits
FORMATS = {"keywords": "keywords", "text files": "txt", "folders": "folders"}
NEVER_PARTIAL = (".json", ".xml", ".parquet", ".xmp")
"""Suffixes of files of which no beginning is a whole file."""

SUITE = settings(max_examples=12, deadline=None)


def opened(tree: Tree, kind: str) -> str | None:
    """Open a dataset, and return the report if it is refused."""
    reports: list[str] = []

    def use() -> None:
        checks = DatasetChecks(decode=False, quiet=True)
        options: dict[str, Any] = {"format": FORMATS.get(kind, "auto"), "checks": checks}
        lists = [name for name in tree if not name.lower().endswith(IMAGE_SUFFIXES)]
        path = root / lists[0] if kind.startswith("label studio") and lists else root
        try:
            for boxes in (False, True):
                data = open_dataset(path, boxes=boxes, **options)
                assert data.labels.shape == (len(data), len(data.classes))
        except FreelocError as error:
            reports.append(str(error))
            if isinstance(error, DataProblems):
                assert error.problems
            raise

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        write_tree(Random(0), tree, root)
        outcome = judge(use)
    assert not outcome.is_finding, outcome.summary + outcome.detail
    return reports[0] if reports else None


@pytest.mark.parametrize("kind", LISTS)
@SUITE
@given(seed=st.integers(0, 9), part=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off(kind: str, seed: int, part: float) -> None:
    tree = SEEDS[kind](Random(seed), 0)
    names = sorted(name for name in tree if not name.lower().endswith(IMAGE_SUFFIXES))
    if not names:
        return  # keywords in the images
    name = names[seed % len(names)]
    whole = tree[name].rstrip()
    cut = int(part * len(whole))
    tree[name] = whole[:cut]
    report = opened(tree, kind)
    if name.lower().endswith(NEVER_PARTIAL):
        assert report is not None
        # Of a folder, a file of which next to nothing is left is not recognized as one that lists its images.
        assert Path(name).name in report or cut < 200


@pytest.mark.parametrize("kind", sorted(SEEDS))
@SUITE
@given(seed=st.integers(0, 10_000), changes=st.integers(1, 3))
def test_values_of_other_types(kind: str, seed: int, changes: int) -> None:
    opened(SEEDS[kind](Random(seed), changes), kind)
