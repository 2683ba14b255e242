"""Tables of a study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from freeloc.metrics import BOX_IOU, Interval, mean_over_classes
from freeloc.paper.measured_rows import BOX_MEASURES, MeasuredRow
from freeloc.paper.paper_comparison import PaperComparison, minus
from freeloc.paper.published_numbers import published_for
from freeloc.paper.row_plans import Protocol
from freeloc.paper.study_result import StudyResult
from freeloc.paper.super_categories import super_categories
from freeloc.visualization.html_report import Table

__all__ = [
    "audit_table",
    "box_table",
    "class_table",
    "difference_tables",
    "group_table",
    "paper_tables",
    "summary_tables",
    "training_table",
]

_GROUPS = {
    "paper": "The paper's rows, and freeloc's own",
    "ablation": "Scales in training and testing",
    "pooling": "Poolings, with freeloc's own recipe",
}
"""Captions of the tables of point rows, by group."""

_POINT_MEASURES = ("classification", "location", "pointing", "pointing_difficult")

_POINT_HEADER: tuple[str, ...] = (
    "",
    "row",
    "boxes in training",
    "classification mAP",
    "location mAP",
    "pointing, all",
    "difficult",
)


def summary_tables(result: StudyResult) -> tuple[Table, ...]:
    """Tabulate means over classes with their 95% intervals, one table per group of point rows."""
    tables = []
    for group, caption in _GROUPS.items():
        members = [row for row in result.rows if row.plan.group == group]
        if not members:
            continue
        published = [_published_cell(result, row) for row in members]
        header, rows = _POINT_HEADER, [_summary_cells(row) for row in members]
        if any(published):
            header = (*header, "published")
            rows = [(*cells, number or "–") for cells, number in zip(rows, published, strict=True)]
        tables.append(Table(header, rows, f"{caption}: percent, with 95% intervals"))
    return tuple(tables)


def _summary_cells(row: MeasuredRow) -> tuple[str, ...]:
    measures = row.measures
    means = [with_interval(measures[key].mean) if key in measures else "–" for key in _POINT_MEASURES]
    return (row.plan.letter, row.title, _yes_or_no(row), *means)


def _published_cell(result: StudyResult, row: MeasuredRow) -> str:
    """Return the published numbers of a row as the text of one cell; "" if there are none."""
    known = published_for(result.study.name, row.plan.key)
    return ", ".join(f"{known[key].measure} {known[key].value:g}" for key in _POINT_MEASURES if key in known)


def box_table(result: StudyResult) -> Table | None:
    """Tabulate the average precision of all box rows; None if there are none."""
    rows = []
    for row in result.rows:
        if not row.measures.keys() >= set(BOX_MEASURES):
            continue
        means = [with_interval(row.measures[key].mean) for key in BOX_MEASURES]
        location = with_interval(row.measures["location"].mean)
        rows.append((row.title, _yes_or_no(row), *means, location))
        if known := published_for(result.study.name, row.plan.key):
            numbers = [f"{known[key].value:g}" if key in known else "–" for key in BOX_MEASURES]
            rows.append((f"{known[BOX_MEASURES[0]].what}, published", "no", *numbers, "–"))
            if result.is_complete and row.converged:
                ours = [row.measures[key].mean for key in BOX_MEASURES]
                values = [known[key].value / 100 if key in known else math.nan for key in BOX_MEASURES]
                differences = [signed_interval(minus(*pair)) for pair in zip(ours, values, strict=True)]
                rows.append(("ours minus the published", "", *differences, "–"))
    if not rows:
        return None
    header = ("row", "boxes in training", *_BOX_TITLES, "location mAP of box centers")
    return Table(header, rows, "Boxes: percent, with 95% intervals")


_BOX_TITLES = tuple(f"box mAP at IoU {iou:g}" for iou in BOX_IOU)


def _yes_or_no(row: MeasuredRow) -> str:
    return {True: "yes", False: "no", None: "–"}[row.plan.box_supervision]


def difference_tables(result: StudyResult) -> tuple[Table, ...]:
    """Tabulate the differences between compared rows, computed on the same bootstrap resamples of the images."""
    points = _difference_table(
        result,
        ("classification", "location"),
        ("classification mAP", "location mAP"),
        "Differences between rows",
    )
    boxes = _difference_table(result, BOX_MEASURES, _BOX_TITLES, "Differences between box rows")
    return tuple(table for table in (points, boxes) if table.rows)


def _difference_table(
    result: StudyResult, keys: Sequence[str], columns: Sequence[str], caption: str
) -> Table:
    titles = {row.plan.key: row.title for row in result.rows}
    rows = []
    for row in result.rows:
        if row.differences.keys() & set(keys):
            differences = (
                signed_interval(row.differences[key].mean) if key in row.differences else "–" for key in keys
            )
            rows.append((row.title, titles[str(row.plan.against)], *differences))
    return Table(("row", "minus", *columns), rows, f"{caption}: percentage points, with 95% intervals")


def class_table(result: StudyResult, measure: str, caption: str) -> Table:
    """Tabulate one measure per class; rows of the group "extents" are included only for box measures."""
    box_measure = measure in BOX_MEASURES
    members = [
        row for row in result.rows if measure in row.measures and (box_measure or row.plan.group != "extents")
    ]
    rows = []
    for index, (name, count) in enumerate(zip(result.classes, result.positives, strict=True)):
        values = (percent(row.measures[measure].classes[index].estimate) for row in members)
        rows.append((name, str(count), *values))
    rows.append(("mean", "", *(percent(row.measures[measure].mean.estimate) for row in members)))
    return Table(("class", "images", *(row.title for row in members)), rows, caption)


_GROUP_COLUMNS = (
    ("full", "classification"),
    ("weak", "classification"),
    ("weak", "location"),
    ("masked", "location"),
)
"""Rows and measures of the paper's Figure 5."""


def group_table(result: StudyResult) -> Table | None:
    """Tabulate the means of COCO's super-categories; None if the study has none, or no row of Figure 5."""
    groups = super_categories(result.study.name, result.classes)
    rows = {row.plan.key: row for row in result.rows}
    columns = [
        (key, measure) for key, measure in _GROUP_COLUMNS if key in rows and measure in rows[key].measures
    ]
    if not groups or not columns:
        return None
    values = {
        (key, measure): [interval.estimate for interval in rows[key].measures[measure].classes]
        for key, measure in columns
    }
    gap = "weak" in rows
    cells = []
    for group in groups:
        means = {
            column: mean_over_classes([values[column][label] for label in group.classes])
            for column in columns
        }
        numbers = [percent(mean) for mean in means.values()]
        if gap:
            numbers.append(percent(means["weak", "classification"] - means["weak", "location"]))
        cells.append((group.name, str(len(group.classes)), *numbers))
    header = ("super-category", "classes", *(f"{rows[key].title}: {measure}" for key, measure in columns))
    if gap:
        header = (*header, "gap of classification and location")
    return Table(header, cells, "Mean AP by super-category, percent")


def paper_tables(result: StudyResult) -> tuple[Table, ...]:
    """Tabulate the values of single classes that the paper printed beside ours, one table per measure."""
    captions = {"classification": "Classification AP", "location": "Location AP"}
    tables = []
    for key, caption in captions.items():
        members = [item for item in result.paper if item.published.key == key]
        if not any(item.ours for item in members):
            continue
        names = [name for name in result.classes if any(name in item.classes for item in members)]
        rows = [
            (name, *(cell for item in members for cell in _paper_cells(item, name)))
            for name in (*names, _PAPER_MEAN)
        ]
        header = ("class", *(title for item in members for title in _paper_header(item)))
        sources = dict.fromkeys(f"{item.published.source}, {item.published.data}" for item in members)
        tables.append(Table(header, rows, f"{caption} beside the paper's ({'; '.join(sources)}), percent"))
    return tuple(tables)


_PAPER_MEAN = "mean of these classes"


def _paper_header(item: PaperComparison) -> tuple[str, ...]:
    return (
        *((item.title,) if item.ours else ()),
        f"paper, {item.published.letter} ({item.published.title})",
        *(("ours minus paper",) if item.differences else ()),
    )


def _paper_cells(item: PaperComparison, name: str) -> tuple[str, ...]:
    """Return the cells of one class, or of the mean: ours, the paper's, and the difference, if they are known."""
    ours, paper, difference = None, math.nan, None
    if name == _PAPER_MEAN:
        ours, paper, difference = item.mean, item.published_mean, item.mean_difference
    elif name in item.classes:
        index = item.classes.index(name)
        paper = item.published.values[name]
        ours = item.ours[index] if item.ours else None
        difference = item.differences[index] if item.differences else None
    return (
        *(("–" if ours is None else percent(ours.estimate),) if item.ours else ()),
        "–" if math.isnan(paper) else f"{paper:.1f}",
        *(("–" if difference is None else signed_interval(difference),) if item.differences else ()),
    )


def audit_table(result: StudyResult) -> Table:
    """Tabulate the context audit, largest gap first."""
    header = ("class", "images", "classification", "location", "center", "masked pooling", "gap", "verdict")
    rows = []
    for audit in result.audit:
        verdict = "recognized from the scene" if audit.from_scene else ""
        numbers = (audit.classification, audit.location, audit.center, audit.masked)
        rows.append(
            (
                audit.name,
                str(audit.positives),
                *map(percent, numbers),
                signed_interval(audit.gap),
                "too few images" if audit.few_positives else verdict,
            )
        )
    return Table(header, rows, "Classification AP and location AP, largest gap first")


def training_table(result: StudyResult) -> Table | None:
    """Tabulate how each model was trained, and what came of it; None if no row has a trained model."""
    titles: dict[str, list[str]] = {}
    outcomes = {}
    protocols: dict[str, str] = {}
    for row in result.rows:
        for key, outcome in row.training.items():
            outcomes[key] = outcome
            protocols.setdefault(key, _PROTOCOLS.get(row.plan.protocol, "–"))
            titles.setdefault(key, []).append(row.plan.title)
    if not outcomes:
        return None
    header = (
        "rows",
        "protocol",
        "recipe",
        "learning rate",
        "epochs",
        "steps",
        "scales",
        "cells per step",
        "final loss",
        "loss of constant scores",
        "seconds",
        "verdict",
    )
    rows = [
        (
            "; ".join(titles[key]),
            protocols[key],
            outcome.recipe,
            f"{outcome.learning_rate:g}",
            str(outcome.epochs),
            f"{outcome.steps:,}",
            outcome.scale_text,
            outcome.cells,
            f"{outcome.loss:.3f}",
            f"{outcome.constant_loss:.3f}",
            f"{outcome.seconds:.0f}",
            "left the plateau" if outcome.converged else "did not converge",
        )
        for key, outcome in outcomes.items()
    ]
    return Table(header, rows, "How the models were trained")


_PROTOCOLS: Mapping[Protocol | None, str] = {
    "faster": "the paper's, faster",
    "letter": "the paper's, to the letter",
    "own": "freeloc's own",
}


def percent(value: float) -> str:
    """Format a fraction as a percentage; NaN becomes a dash."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def with_interval(interval: Interval) -> str:
    """Format a fraction and its interval as percentages."""
    if math.isnan(interval.estimate):
        return "–"
    return f"{percent(interval.estimate)} [{percent(interval.low)}, {percent(interval.high)}]"


def signed_interval(interval: Interval) -> str:
    """Format a difference and its interval in percentage points, with signs."""
    if math.isnan(interval.estimate):
        return "–"
    value, low, high = (f"{100 * end:+.1f}" for end in (interval.estimate, interval.low, interval.high))
    return f"{value} [{low}, {high}]"
