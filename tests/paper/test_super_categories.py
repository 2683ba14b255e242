"""COCO's super-categories: which classes they have, and the table of their means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from freeloc.metrics import BootstrapResult, Interval
from freeloc.paper import ROWS, ReproductionSettings, StudyResult, find_study
from freeloc.paper.measured_rows import MeasuredRow
from freeloc.paper.published_classes import PUBLISHED_CLASSES
from freeloc.paper.super_categories import COCO_SUPER_CATEGORIES, super_categories
from freeloc.paper.tables import group_table
from freeloc.paper.write_outputs import result_as_json

CLASSES = ("gnome", "knife", "mouse", "fork", "cup")


def result(study: str = "coco2014", rows: tuple[MeasuredRow, ...] = ()) -> StudyResult:
    return StudyResult(find_study(study), "train", "val", CLASSES, (10,) * 5, 50, rows, (), {}, {})


def row(key: str, **measures: list[float]) -> MeasuredRow:
    made = {
        name: BootstrapResult(
            tuple(Interval(value, value, value) for value in values), Interval(0, 0, 0), 0.95, 1, 0
        )
        for name, values in measures.items()
    }
    return MeasuredRow(ROWS[key], {}, made, {})


def test_the_groups_have_all_classes_of_figure_5_in_its_order() -> None:
    printed = list(PUBLISHED_CLASSES["coco2014"][0].values)
    assert [name for members in COCO_SUPER_CATEGORIES.values() for name in members] == printed
    groups = super_categories("coco2014", printed)
    assert [group.name for group in groups] == list(COCO_SUPER_CATEGORIES)
    assert [label for group in groups for label in group.classes] == list(range(80))


@pytest.mark.images
def test_the_groups_are_those_of_the_annotation_file(coco_root: Path) -> None:
    categories = json.loads((coco_root / "annotations" / "instances_val2017.json").read_text())["categories"]
    told: dict[str, list[str]] = {}
    for category in categories:
        told.setdefault(category["supercategory"], []).append(category["name"])
    assert {name: tuple(members) for name, members in told.items()} == COCO_SUPER_CATEGORIES


def test_chosen_and_other_classes() -> None:
    groups = super_categories("coco2017", CLASSES)
    assert [(group.name, group.classes) for group in groups] == [
        ("kitchen", (4, 3, 1)),
        ("electronic", (2,)),
        ("other classes", (0,)),
    ]
    assert super_categories("voc2012", CLASSES) == ()
    assert super_categories("coco2014", ("gnome", "elf")) == ()


def test_the_table_has_the_means_of_the_classes_that_occur() -> None:
    nan = float("nan")
    rows = (
        row("weak", classification=[0.5, 0.6, 0.7, nan, 0.2], location=[0.5, 0.1, 0.4, nan, 0.2]),
        row("full", classification=[0.1, 0.2, nan, 0.3, 0.4], location=[0.0] * 5),
    )
    table = group_table(result(rows=rows))
    assert table is not None
    assert table.header[2:] == (
        "full images: classification",
        "weakly supervised: classification",
        "weakly supervised: location",
        "gap of classification and location",
    )
    assert [tuple(cells) for cells in table.rows] == [
        ("kitchen", "3", "30.0", "40.0", "15.0", "25.0"),
        ("electronic", "1", "–", "70.0", "40.0", "30.0"),
        ("other classes", "1", "10.0", "50.0", "50.0", "0.0"),
    ]
    assert group_table(replace(result(rows=rows), study=find_study("voc2012"))) is None
    assert group_table(result()) is None


def test_results_tell_the_groups() -> None:
    told = result_as_json(result(), ReproductionSettings())["super_categories"]
    assert told == {"kitchen": ["cup", "fork", "knife"], "electronic": ["mouse"], "other classes": ["gnome"]}
    assert result_as_json(result("voc2007"), ReproductionSettings())["super_categories"] == {}
