"""The tables of a study, as rows of words: for the terminal and for the report alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from freeloc.metrics import BOX_IOU, Interval
from freeloc.paper.measure import BOX_MEASURES, MeasuredRow
from freeloc.paper.published_numbers import published_beside
from freeloc.paper.reproduce import Outcome

__all__ = [
    "WordTable",
    "audit_table",
    "box_table",
    "class_table",
    "difference_tables",
    "summary_tables",
]

_GROUPS = {
    "paper": "The paper's rows, and freeloc's own",
    "ablation": "Scales in training and in testing",
    "pooling": "Pooling, under freeloc's own recipe",
}

_POINTS = ("classification", "location", "pointing", "pointing_difficult")


@dataclass(frozen=True, slots=True)
class WordTable:
    """A table of words.

    Attributes:
        caption: what it shows.
        header: one word or more per column.
        rows: as many in each row.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def summary_tables(outcome: Outcome) -> tuple[WordTable, ...]:
    """Means over classes with their 95% intervals, a table per group of rows of points."""
    header = (
        "",
        "row",
        "boxes in training",
        "classification mAP",
        "location mAP",
        "pointing, all",
        "difficult",
    )
    tables = []
    for group, caption in _GROUPS.items():
        members = [row for row in outcome.rows if row.plan.group == group]
        printed = {row.plan.key: _printed(outcome, row, _POINTS) for row in members}
        beside = any(printed.values())
        rows = tuple(
            (*_summary_row(row), *((printed[row.plan.key] or "–",) if beside else ())) for row in members
        )
        if rows:
            columns = (*header, *(("published",) if beside else ()))
            tables.append(WordTable(f"{caption}: percent, with 95% intervals", columns, rows))
    return tuple(tables)


def _summary_row(row: MeasuredRow) -> tuple[str, ...]:
    means = [with_interval(row.measures[key].mean) for key in _POINTS]
    return (row.plan.letter, row.plan.title, "yes" if row.plan.boxes else "no", *means)


def _printed(outcome: Outcome, row: MeasuredRow, keys: Sequence[str]) -> str:
    """What others printed of a row, in one cell; "" where nothing."""
    known = published_beside(outcome.study.name, row.plan.key)
    return ", ".join(f"{known[key].measure} {known[key].value:g}" for key in keys if key in known)


def box_table(outcome: Outcome) -> WordTable | None:
    """Average precision of the boxes of every row that has some; None where none has."""
    rows = []
    for row in outcome.rows:
        if not row.measures.keys() >= set(BOX_MEASURES):
            continue
        means = [with_interval(row.measures[key].mean) for key in BOX_MEASURES]
        middle = with_interval(row.measures["location"].mean)
        rows.append((row.plan.title, "yes" if row.plan.boxes else "no", *means, middle))
        if known := published_beside(outcome.study.name, row.plan.key):
            told = [f"{known[key].value:g}" if key in known else "–" for key in BOX_MEASURES]
            rows.append((f"{known[BOX_MEASURES[0]].what}, published", "no", *told, "–"))
    if not rows:
        return None
    overlaps = (f"box mAP at IoU {iou:g}" for iou in BOX_IOU)
    header = ("row", "boxes in training", *overlaps, "location mAP of the middle")
    return WordTable("Extents: percent, with 95% intervals", header, tuple(rows))


def difference_tables(outcome: Outcome) -> tuple[WordTable, ...]:
    """Every row minus the one that it is held against, on the same draws of images."""
    points = _difference_table(
        outcome, ("classification", "location"), ("classification mAP", "location mAP"), "Differences"
    )
    overlaps = tuple(f"box mAP at IoU {iou:g}" for iou in BOX_IOU)
    boxes = _difference_table(outcome, BOX_MEASURES, overlaps, "Differences of boxes")
    return tuple(table for table in (points, boxes) if table.rows)


def _difference_table(
    outcome: Outcome, keys: Sequence[str], columns: Sequence[str], caption: str
) -> WordTable:
    titles = {row.plan.key: row.plan.title for row in outcome.rows}
    rows = []
    for row in outcome.rows:
        if row.differences.keys() >= set(keys):
            told = (signed_interval(row.differences[key].mean) for key in keys)
            rows.append((row.plan.title, titles[str(row.plan.against)], *told))
    header = ("row", "minus", *columns)
    return WordTable(f"{caption} in points, with 95% intervals", header, tuple(rows))


def class_table(outcome: Outcome, measure: str, caption: str) -> WordTable:
    """One measure class by class, of every row that is about it: rows of extents are about boxes alone."""
    about_boxes = measure in BOX_MEASURES
    shown = [
        row
        for row in outcome.rows
        if measure in row.measures and (about_boxes or row.plan.group != "extents")
    ]
    header = ("class", "images", *(row.plan.title for row in shown))
    rows = []
    for index, (name, count) in enumerate(zip(outcome.classes, outcome.positives, strict=True)):
        values = (percent(row.measures[measure].classes[index].estimate) for row in shown)
        rows.append((name, str(count), *values))
    rows.append(("mean", "", *(percent(row.measures[measure].mean.estimate) for row in shown)))
    return WordTable(caption, header, tuple(rows))


def audit_table(outcome: Outcome) -> WordTable:
    """The context audit, the widest gap first."""
    header = (
        "class",
        "images",
        "classification",
        "location",
        "centre",
        "masked pooling",
        "gap",
        "verdict",
    )
    rows = []
    for audit in outcome.audit:
        verdict = "recognised from the scene" if audit.from_scene else ""
        numbers = (audit.classification, audit.location, audit.centre, audit.masked)
        rows.append(
            (
                audit.name,
                str(audit.positives),
                *map(percent, numbers),
                signed_interval(audit.gap),
                "too few images to say" if audit.few else verdict,
            )
        )
    return WordTable("Classification AP beside location AP, the widest gap first", header, tuple(rows))


def percent(value: float) -> str:
    """A share of 1 in percent; NaN is a dash."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def with_interval(interval: Interval) -> str:
    """A share of 1 and the interval around it."""
    if math.isnan(interval.estimate):
        return "–"
    return f"{percent(interval.estimate)} [{percent(interval.low)}, {percent(interval.high)}]"


def signed_interval(interval: Interval) -> str:
    """A difference in points and the interval around it."""
    if math.isnan(interval.estimate):
        return "–"
    ends: Sequence[float] = (interval.estimate, interval.low, interval.high)
    value, low, high = (f"{100 * end:+.1f}" for end in ends)
    return f"{value} [{low}, {high}]"
