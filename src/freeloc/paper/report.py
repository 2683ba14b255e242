"""The report of a study: every table and figure on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from freeloc.datasets.dataset import Dataset
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.evaluation.collect import Predictions
from freeloc.images.decode import load_image
from freeloc.metrics import BOX_IOU, Ranking, location_outcomes
from freeloc.metrics import Outcome as Fate
from freeloc.paper.box_examples import box_examples
from freeloc.paper.context_audit import FEW
from freeloc.paper.figures.catalog import (
    BLUE,
    GREEN,
    PAPER_PAIRS,
    RED,
    CurveSet,
    PointExample,
    class_bars,
    draw_boxes_figure,
    draw_evolution,
    draw_points,
    figure_bytes,
    precision_recall_grid,
    save_figure,
)
from freeloc.paper.measure import BOX_MEASURES, MeasuredRow
from freeloc.paper.published_numbers import PUBLISHED
from freeloc.paper.reproduce import Outcome
from freeloc.paper.score_rows import surest
from freeloc.paper.settings import Places, Settings
from freeloc.paper.tables import (
    WordTable,
    audit_table,
    box_table,
    class_table,
    difference_tables,
    summary_tables,
)
from freeloc.visualization.html_report import Figure, Report, Section, Table
from freeloc.visualization.html_report import write_report as write_html

__all__ = ["write_report"]

_EXAMPLES = 10
"""Images of each kind in the figure of predictions."""


def write_report(outcome: Outcome, val_set: Dataset, places: Places, settings: Settings) -> None:
    """Draw every figure that the measured rows allow, and write the page.

    Args:
        outcome: what was measured.
        val_set: the images, for the figure of predictions.
        places: where everything goes.
        settings: how the study was run.

    Raises:
        FreelocError: matplotlib is not installed, or a place cannot be written to.
    """
    rows = {row.plan.key: row for row in outcome.rows}
    sections = [
        Section("Tables", _few(outcome), tuple(map(_table, summary_tables(outcome)))),
        Section(
            "Which differences are real",
            ("Both rows see the same resampled images. Where an interval leaves 0 out, the rows differ.",),
            tuple(map(_table, difference_tables(outcome))),
        ),
        Section(
            "Class by class", figures=tuple(_bars(outcome, rows, places.figures)), tables=_by_class(outcome)
        ),
        _context(outcome),
        Section("Precision and recall", figures=tuple(_curves(outcome, rows, places.figures))),
    ]
    if "weak" in outcome.predictions:
        sections.append(_predictions(val_set, outcome.predictions["weak"], places.figures))
    if (extents := box_table(outcome)) is not None:
        sections.append(_extents(outcome, extents, val_set, places.figures))
    if outcome.growth:
        plot = draw_evolution(outcome.growth)
        words = "Score maps over training, with the winning window and that of a class that loses."
        rule = "The images that the trained network locates most surely, each of another class."
        figure = _saved(plot, places.figures / "evolution", words)
        sections.append(Section("How a map grows", (rule,), figures=(figure,)))
    sections.append(_published(outcome))
    lead = (
        (
            f"Trained on {outcome.train}, measured on {outcome.val}: {outcome.images} images, "
            f"{len(outcome.classes)} classes. Backbone {settings.backbone}, seed {settings.seed}. "
            f"Average precision is “{outcome.study.flavour}”; intervals hold 95% of "
            f"{settings.resamples} bootstrap resamples over images."
        ),
        (
            "Rows follow “Is object localization for free? Weakly-supervised learning with convolutional neural "
            "networks” (Oquab, Bottou, Laptev, Sivic, CVPR 2015); letters are the paper's."
        ),
    )
    write_html(places.page, Report(f"{outcome.study.title}: localization from image tags", lead, sections))


def _table(table: WordTable) -> Table:
    return Table(table.header, table.rows, table.caption)


def _few(outcome: Outcome) -> tuple[str, ...]:
    few = [name for name, count in zip(outcome.classes, outcome.positives, strict=True) if count < FEW]
    if not few:
        return ()
    listed = ", ".join(few[:12]) + (f" and {len(few) - 12} more" if len(few) > 12 else "")
    return (
        (
            f"{len(few)} of {len(outcome.classes)} classes are in fewer than {FEW} images; "
            f"their numbers mean little: {listed}."
        ),
    )


def _by_class(outcome: Outcome) -> tuple[Table, ...]:
    captions = {"classification": "Classification AP, percent", "location": "Location AP, percent"}
    return tuple(_table(class_table(outcome, key, caption)) for key, caption in captions.items())


def _context(outcome: Outcome) -> Section:
    named = [audit.name for audit in outcome.audit if audit.from_scene]
    text = (
        f"Recognised from the scene: {', '.join(named)}."
        if named
        else "No class is recognised from the scene by this rule."
    )
    rule = (
        "A class is named where its classification AP exceeds its location AP by more than 10 points with 97.5% "
        "confidence."
    )
    tables = (_table(audit_table(outcome)),) if outcome.audit else ()
    return Section("Context or object", (text, rule), tables)


def _bars(outcome: Outcome, rows: Mapping[str, MeasuredRow], folder: Path) -> Iterator[Figure]:
    """The three comparisons of the paper's Figure 5, as far as their rows are there."""
    wanted = (
        ("classification", ("weak", "classification"), ("full", "classification"), "supervision"),
        ("context", ("weak", "classification"), ("weak", "location"), "location"),
        ("masked", ("weak", "location"), ("masked", "location"), "masked"),
    )
    for name, one, other, colours in wanted:
        if one[0] in rows and other[0] in rows:
            labels = (_label(rows, one), _label(rows, other))
            title = f"{labels[0]} against {labels[1]}"
            values = (_by_class_values(rows, one), _by_class_values(rows, other))
            plot = class_bars(outcome.classes, *values, labels, title, colours=PAPER_PAIRS[colours])
            yield _saved(plot, folder / f"bars_{name}", f"{title}, the largest difference first.")


def _label(rows: Mapping[str, MeasuredRow], which: tuple[str, str]) -> str:
    return f"{rows[which[0]].plan.title}: {which[1]}"


def _by_class_values(rows: Mapping[str, MeasuredRow], which: tuple[str, str]) -> list[float]:
    return [interval.estimate for interval in rows[which[0]].measures[which[1]].classes]


def _saved(plot: Any, place: Path, caption: str) -> Figure:
    save_figure(plot, place)
    return Figure(figure_bytes(plot, "png"), caption, caption)


def _curves(outcome: Outcome, rows: Mapping[str, MeasuredRow], folder: Path) -> Iterator[Figure]:
    drawn = [key for key in ("weak", "full", "own") if key in rows]
    for measure in ("classification", "location"):
        sets = []
        for key, colour in zip(drawn, (BLUE, RED, GREEN), strict=False):
            ranking = rows[key].metrics[measure]
            if isinstance(ranking, Ranking):
                curves = [ranking.curve(index) for index in range(len(outcome.classes))]
                sets.append(CurveSet(rows[key].plan.title, curves, colour))
        if sets:
            title = f"Precision over recall: {measure}"
            plot = precision_recall_grid(outcome.classes, sets, title)
            yield _saved(plot, folder / f"curves_{measure}", f"{title}, class by class.")


def _predictions(val_set: Dataset, weak: Predictions, folder: Path) -> Section:
    points = weak.points["paper"]
    fates = location_outcomes(points, weak.sizes, ground_truth_of(val_set), val_set.labels)
    kinds = (
        ("right", Fate.HIT, "the surest right location of each class, the surest first"),
        ("missed", Fate.MISS, "the surest location of each class that misses an object that is there"),
        ("absent", Fate.ABSENT, "the surest location of each class that is not in the image"),
    )
    figures = []
    for name, fate, words in kinds:
        chosen = surest(weak.scores, fates == fate, _EXAMPLES)
        examples = [_example(val_set, weak, image, label, fate == Fate.HIT) for image, label in chosen]
        if examples:
            caption = f"Weakly supervised: {words}."
            figures.append(_saved(draw_points(examples), folder / f"examples_{name}", caption))
    rule = "Chosen by rule, not by hand: of every class the image with the highest score of its kind."
    return Section("Example predictions", (rule,), figures=figures)


def _example(val_set: Dataset, weak: Predictions, image: int, label: int, correct: bool) -> PointExample:
    x, y = weak.points["paper"][image, label]
    pixels = load_image(val_set.samples[image].path)
    score = float(weak.scores[image, label])
    return PointExample(pixels, val_set.classes[label], float(x), float(y), score, correct)


def _extents(outcome: Outcome, table: WordTable, val_set: Dataset, folder: Path) -> Section:
    by_class = class_table(outcome, BOX_MEASURES[0], f"Box AP at IoU {BOX_IOU[0]:g}, percent")
    text = (
        (
            "A box is right where it overlaps an object of its class by so much, and each object counts once. "
            "Rows without boxes in training know no more than tags."
        ),
        "Chosen by rule, not by hand: of every class the image with the highest score of its kind.",
    )
    figures = []
    if (found := outcome.detections.get("extents")) is not None:
        for right, words in ((True, "right"), (False, "wrong")):
            examples = box_examples(found, val_set, _EXAMPLES, right=right)
            if examples:
                caption = (
                    f"Boxes from score maps alone: the surest {words} box of each class, the surest first."
                )
                figures.append(_saved(draw_boxes_figure(examples), folder / f"extents_{words}", caption))
    return Section("BoxSet", text, (_table(table), _table(by_class)), figures)


def _published(outcome: Outcome) -> Section:
    numbers = PUBLISHED[outcome.study.name]
    rows = tuple(
        (one.what, one.measure, f"{one.value:.2f}".rstrip("0").rstrip("."), one.source) for one in numbers
    )
    text = (
        (
            "Printed by others, on their data and backbones: for orientation, not for a race. Only numbers that "
            "their source shows beyond doubt are here."
        ),
    )
    tables = (
        (Table(("method", "measure", "value", "source"), rows, "Published numbers, percent"),) if rows else ()
    )
    return Section("Published numbers", text, tables)
