"""The page about a trained model: what was learned, how well, and on which images it is right and wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from freeloc.inference.result import Localization
from freeloc.metrics import Interval
from freeloc.visualization.data_uri import encode_jpeg
from freeloc.visualization.html_report import Figure, Report, Section, Table
from freeloc.visualization.image_grid import draw_grid
from freeloc.visualization.overlay import draw_panels

__all__ = [
    "ClassExamples",
    "ClassSummary",
    "Example",
    "LikelyError",
    "TrainingReport",
    "draw_example",
    "training_report",
]

_PANEL_HEIGHT: Final = 200
"""Maximum height of an image in a picture, in pixels."""


@dataclass(frozen=True)
class ClassSummary:
    """One class in the table.

    Attributes:
        name: the class.
        training_images: number of training images with the class.
        images: number of measured images with the class.
        ap: classification AP with its interval, as fractions; None if it was not measured.
        threshold: probability from which the class counts as present.
        found: number of measured images with the class in which it counts as present.
        wrong: number of measured images without the class in which it counts as present.
    """

    name: str
    training_images: int
    images: int
    ap: Interval | None
    threshold: float
    found: int
    wrong: int


@dataclass(frozen=True)
class Example:
    """One image of a class: its picture, from `draw_example`, and a text about it."""

    picture: Image.Image
    text: str


@dataclass(frozen=True)
class ClassExamples:
    """The surest right and wrong images of a class.

    Attributes:
        name: the class.
        right: images with the class in which it counts as present, most probable first.
        wrong: images in which the model contradicts the tag, surest first.
    """

    name: str
    right: Sequence[Example]
    wrong: Sequence[Example]


@dataclass(frozen=True)
class LikelyError:
    """A tag that is probably wrong.

    Attributes:
        image: name of the image.
        name: the class.
        is_tagged: whether the image has the tag.
        probability: predicted probability of the class.
    """

    image: str
    name: str
    is_tagged: bool
    probability: float


@dataclass(frozen=True)
class TrainingReport:
    """Content of the page.

    Attributes:
        title: title of the page.
        facts: names and values of what was trained.
        curve: the curve, as an SVG file; None if there is none.
        measured_on: the images that were measured, such as "12 validation images".
        out_of_sample: whether the model was not trained on the measured images.
        mean_ap: mean over the classes of the classification AP, with its interval; None if it was not measured.
        classes: the classes.
        calibrated: whether the probabilities are calibrated.
        examples: images of the classes.
        examples_from: the images from which the examples were chosen, such as "validation images".
        likely_errors: tags that are probably wrong; None if they were not looked for.
        choice: sentences about the epoch whose weights the model has.
        missing: what the page or the training lacks, and how to get it.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    curve: bytes | None
    measured_on: str
    out_of_sample: bool
    mean_ap: Interval | None
    classes: Sequence[ClassSummary]
    calibrated: bool
    examples: Sequence[ClassExamples]
    examples_from: str
    likely_errors: Sequence[LikelyError] | None
    choice: Sequence[str] = ()
    missing: Sequence[str] = ()


def training_report(content: TrainingReport) -> Report:
    """Return the page."""
    sections = [Section("What was learned", tables=[Table(("", "value"), content.facts)])]
    if content.curve is not None:
        sections.append(_curve_section(content.curve, content.choice))
    sections += [_class_section(content), _error_section(content)]
    sections += [_example_section(content, examples) for examples in content.examples]
    if content.missing:
        sections.insert(0, Section("What is missing", text=content.missing))
    return Report(content.title, _lead(content), sections)


def draw_example(image: Image.Image, result: Localization, name: str) -> Image.Image:
    """Return a picture of one class in an image: the image with the class's point, and its map."""
    return draw_grid(draw_panels(image, result, classes=[name], panel_height=_PANEL_HEIGHT), 2, gap=4)


def _lead(content: TrainingReport) -> list[str]:
    if content.mean_ap is None:
        text = (
            "How good the model is was not measured, because no images were held out. The images below show what "
            "it has learned."
        )
        return [text]
    worst = sorted(
        (item for item in content.classes if item.ap is not None and not math.isnan(item.ap.estimate)),
        key=lambda item: item.ap.estimate if item.ap else 0.0,
    )
    text = (
        f"On {content.measured_on}, the mean classification AP is {_percent(content.mean_ap)}: 100 if every image "
        "with a class has a higher score than every image without it."
    )
    lead = [text]
    if len(worst) > 1 and worst[0].ap and worst[-1].ap:
        low, high = (
            f"{item.name} ({100 * item.ap.estimate:.1f})" for item in (worst[0], worst[-1]) if item.ap
        )
        lead.append(f"The class with the lowest AP is {low}, and the class with the highest AP is {high}.")
    return lead


def _curve_section(curve: bytes, choice: Sequence[str]) -> Section:
    text = (
        "The loss on the training images falls. The loss on validation images rises when the model becomes surer "
        "of its errors, too; this does no harm as long as the validation mAP does not fall."
    )
    figure = Figure(curve, "Each epoch of the training.", "Curve of the training")
    return Section("Curve", [text, *filter(None, [" ".join(choice)])], figures=[figure])


def _class_section(content: TrainingReport) -> Section:
    header = ["class", "training images"]
    measured = content.mean_ap is not None
    if measured:
        header += ["measured images", "AP [95% interval]"]
    header += ["threshold", "found", "missed", "wrongly found"]
    rows = []
    for item in content.classes:
        row = [item.name, str(item.training_images)]
        if measured:
            row += [str(item.images), "–" if item.ap is None else _percent(item.ap)]
        row += [f"{item.threshold:.2f}", str(item.found), str(item.images - item.found), str(item.wrong)]
        rows.append(row)
    rule = (
        "A class counts as present if its probability reaches its threshold. Found and missed are images with the "
        "tag, wrongly found are images without it."
    )
    seen = "" if content.out_of_sample else " The model was trained on these images, so it knows their tags."
    notes = [rule, f"Measured on {content.measured_on}.{seen}"]
    if not content.calibrated:
        notes.append(
            "The probabilities are not calibrated, so each threshold is 0.5. Calibration fits a threshold to each "
            "class."
        )
    if measured:
        notes.append("Intervals are percentile bootstrap intervals over the images.")
    return Section("Classes and thresholds", tables=[Table(header, rows, "Each class.", notes)])


def _error_section(content: TrainingReport) -> Section:
    heading = "Tags that are probably wrong"
    if content.likely_errors is None:
        text = (
            "A model learns wrong tags of its training images, too. They only stand out among images on which it "
            "was not trained."
        )
        return Section(heading, [text])
    if not content.likely_errors:
        return Section(heading, [f"None among {content.measured_on}."])
    rows = [
        [item.image, item.name, "yes" if item.is_tagged else "no", f"{item.probability:.2f}"]
        for item in content.likely_errors
    ]
    table = Table(("image", "class", "tagged", "probability"), rows, "Tags that the model contradicts.")
    text = (
        "The model, which was not trained on these images, is sure of the opposite of the tag. Look at each of "
        "them: either the tag or the model is wrong."
    )
    return Section(heading, [text], [table])


def _example_section(content: TrainingReport, examples: ClassExamples) -> Section:
    figures = []
    kinds = (("right", examples.right), ("wrong", examples.wrong))
    missing = [kind for kind, found in kinds if not found]
    for kind, found in kinds:
        if found:
            names = "; ".join(item.text for item in found)
            figures.append(
                Figure(
                    encode_jpeg(
                        draw_grid([item.picture for item in found], 1 if len(found) == 1 else 2, gap=6)
                    ),
                    f"Surest {kind} {content.examples_from}: {names}.",
                    f"{examples.name}: surest {kind} images with point and score map",
                )
            )
    text = [f"No {' and no '.join(missing)} image among the {content.examples_from}."] if missing else []
    return Section(f"Images of {examples.name}", text, figures=figures)


def _percent(interval: Interval) -> str:
    if math.isnan(interval.estimate):
        return "–"
    value = f"{100 * interval.estimate:.1f}"
    if math.isnan(interval.low):
        return value
    return f"{value} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
