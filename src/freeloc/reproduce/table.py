"""The tables of a study, as rows of words: for the terminal and for the report alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from freeloc.metrics import Interval
from freeloc.reproduce.measuring import MeasuredRow
from freeloc.reproduce.run import Outcome

__all__ = ["WordTable", "audit_table", "class_table", "difference_table", "summary_tables"]

_GROUPS = {
    "paper": "The paper's rows, and freeloc's own",
    "ablation": "Scales in training and in testing",
    "pooling": "Pooling, under freeloc's own recipe",
}


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
    """Means over classes with their 95% intervals, a table per group of rows."""
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
        rows = tuple(_summary_row(row) for row in outcome.rows if row.plan.group == group)
        if rows:
            tables.append(WordTable(f"{caption}: percent, with 95% intervals", header, rows))
    return tuple(tables)


def _summary_row(row: MeasuredRow) -> tuple[str, ...]:
    keys = ("classification", "location", "pointing", "pointing_difficult")
    means = [with_interval(row.measures[key].mean) if key in row.measures else "–" for key in keys]
    return (row.plan.letter, row.plan.title, "yes" if row.plan.boxes else "no", *means)


def difference_table(outcome: Outcome) -> WordTable:
    """Every row minus the one that it is held against, on the same draws of photographs."""
    titles = {row.plan.key: row.plan.title for row in outcome.rows}
    rows = []
    for row in outcome.rows:
        if row.differences:
            told = (signed_interval(row.differences[key].mean) for key in ("classification", "location"))
            rows.append((row.plan.title, titles[str(row.plan.against)], *told))
    header = ("row", "minus", "classification mAP", "location mAP")
    return WordTable("Differences in points, with 95% intervals", header, tuple(rows))


def class_table(outcome: Outcome, measure: str, caption: str) -> WordTable:
    """One measure of every row, class by class."""
    header = ("class", "photographs", *(row.plan.title for row in outcome.rows))
    rows = []
    for index, (name, count) in enumerate(zip(outcome.classes, outcome.positives, strict=True)):
        values = (percent(row.measures[measure].classes[index].estimate) for row in outcome.rows)
        rows.append((name, str(count), *values))
    rows.append(("mean", "", *(percent(row.measures[measure].mean.estimate) for row in outcome.rows)))
    return WordTable(caption, header, tuple(rows))


def audit_table(outcome: Outcome) -> WordTable:
    """The context audit, the widest gap first."""
    header = (
        "class",
        "photographs",
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
                "too few photographs to say" if audit.few else verdict,
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
