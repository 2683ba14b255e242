"""Sections of the report with example predictions, selected by fixed rules."""

from __future__ import annotations

import numpy as np

from freeloc._typing import Uint8Array
from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.evaluation.annotations import ground_truth_of
from freeloc.evaluation.collect import Predictions
from freeloc.images.decode import load_image
from freeloc.metrics import BOX_IOU, Outcome, location_outcomes
from freeloc.metrics.point_matching import Outcomes
from freeloc.paper.example_selection import best_per_class, box_examples, most_classes
from freeloc.paper.figures.examples import (
    ExamplePoint,
    PointExample,
    draw_box_examples,
    draw_point_examples,
)
from freeloc.paper.measured_rows import BOX_MEASURES
from freeloc.paper.report_figures import saved_figure
from freeloc.paper.study_folder import StudyFolder
from freeloc.paper.study_result import StudyResult
from freeloc.paper.tables import class_table
from freeloc.visualization.html_report import Section, Table

__all__ = ["box_section", "point_section"]

_EXAMPLES = 10
"""Maximum number of images in each figure of examples."""

_MANY_CLASSES = 12
"""Maximum number of images in the figure of images with many classes."""

_SELECTION_RULE = (
    "The examples are selected by a fixed rule, not by hand: for each class, the highest-scoring example of the "
    "kind shown. No image is shown twice in a figure."
)

_KINDS = (
    ("right", Outcome.HIT, "the highest-scoring correct location of each class, highest score first"),
    (
        "missed",
        Outcome.MISS,
        "for each class, the highest-scoring location that misses it, in an image that contains it",
    ),
    (
        "absent",
        Outcome.ABSENT,
        "for each class, the highest-scoring location in an image without the class",
    ),
)
"""Names of the files, outcomes and captions of the figures of points."""


def point_section(val_set: Dataset, weak: Predictions, folder: StudyFolder) -> Section:
    """Return the section with points of the row "weak" (paper, Figure 6).

    Every image is shown with the points of all its classes, and with that of the class for which it was selected.
    """
    outcomes = location_outcomes(weak.points["paper"], weak.sizes, ground_truth_of(val_set), val_set.labels)
    figures = []
    if images := most_classes(val_set.labels, _MANY_CLASSES):
        examples = [PointExample(*_present(val_set, weak, outcomes, image)) for image in images]
        caption = "Weakly supervised: the points of all classes, in the images with the most classes."
        path = folder.figures / "examples_classes"
        figures.append(saved_figure(draw_point_examples(examples, columns=3), path, caption))
    for name, outcome, description in _KINDS:
        pairs = best_per_class(weak.scores, outcomes == outcome, _EXAMPLES)
        examples = [
            PointExample(
                *_present(val_set, weak, outcomes, image), _point(val_set, weak, outcomes, image, label)
            )
            for image, label in pairs
        ]
        if examples:
            path = folder.figures / f"examples_{name}"
            caption = f"Weakly supervised: {description}. The other classes of the image are shown as well."
            figures.append(saved_figure(draw_point_examples(examples), path, caption))
    rule = (
        f"{_SELECTION_RULE} The first figure shows the images with the most classes, whether right or wrong. "
        "All images are in gallery.html."
    )
    return Section("Example predictions", (rule,), figures=figures)


def _present(
    val_set: Dataset, weak: Predictions, outcomes: Outcomes, image: int
) -> tuple[Uint8Array, list[ExamplePoint]]:
    """Return an image, and the points of the classes in it, highest score first."""
    labels = np.flatnonzero(val_set.labels[image] == PRESENT)
    labels = labels[np.argsort(-weak.scores[image, labels], kind="stable")]
    points = [_point(val_set, weak, outcomes, image, int(label)) for label in labels]
    return load_image(val_set.samples[image].path), points


def _point(val_set: Dataset, weak: Predictions, outcomes: Outcomes, image: int, label: int) -> ExamplePoint:
    x, y = weak.points["paper"][image, label]
    return ExamplePoint(
        val_set.classes[label],
        float(x),
        float(y),
        float(weak.scores[image, label]),
        bool(outcomes[image, label] == Outcome.HIT),
    )


def box_section(result: StudyResult, table: Table, val_set: Dataset, folder: StudyFolder) -> Section:
    """Return the section about boxes, with examples of the row "extents"."""
    by_class = class_table(result, BOX_MEASURES[0], f"Box AP at IoU {BOX_IOU[0]:g}, percent")
    text = (
        (
            "A box is correct if its IoU with an object of its class reaches the threshold; each object counts "
            "once. Rows without boxes in training use tags alone."
        ),
        _SELECTION_RULE,
    )
    figures = []
    if (detections := result.detections.get("extents")) is not None:
        for correct, name, word in ((True, "right", "correct"), (False, "wrong", "wrong")):
            examples = box_examples(detections, val_set, _EXAMPLES, correct=correct)
            if examples:
                caption = (
                    f"Boxes from score maps alone: the highest-scoring {word} box of each class, highest score "
                    "first."
                )
                path = folder.figures / f"extents_{name}"
                figures.append(saved_figure(draw_box_examples(examples), path, caption))
    return Section("Boxes", text, (table, by_class), figures)
