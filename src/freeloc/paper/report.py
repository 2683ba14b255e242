"""HTML report of a study, with all tables and figures."""

from __future__ import annotations

from pathlib import Path

from freeloc.datasets.dataset import Dataset
from freeloc.paper.context_audit import MIN_GAP, MIN_POSITIVES
from freeloc.paper.figures.map_evolution import draw_class_evolution, draw_map_evolution
from freeloc.paper.published_numbers import PUBLISHED
from freeloc.paper.report_examples import box_section, point_section
from freeloc.paper.report_figures import bar_figures, curve_figures, group_figures, saved_figure
from freeloc.paper.settings import ReproductionSettings
from freeloc.paper.study_folder import StudyFolder
from freeloc.paper.study_result import StudyResult
from freeloc.paper.tables import (
    audit_table,
    box_table,
    class_table,
    difference_tables,
    group_table,
    paper_tables,
    summary_tables,
    training_table,
)
from freeloc.training.convergence import MIN_EXPLAINED
from freeloc.visualization.html_report import Report, Section, Table
from freeloc.visualization.html_report import write_report as write_html

__all__ = ["write_report"]


def write_report(
    result: StudyResult, val_set: Dataset, folder: StudyFolder, settings: ReproductionSettings
) -> None:
    """Draw every figure whose rows were measured, and write the report.

    Args:
        result: the result of the study.
        val_set: the evaluation images, some of which are shown as examples.
        folder: output folder of the study.
        settings: settings of the study.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: a file cannot be written.
    """
    sections = _sections(result, val_set, folder) if result.is_measured else _unmeasured(result)
    lead = (
        (
            f"Trained on {result.train}, evaluated on {result.val}: {result.images} images, "
            f"{len(result.classes)} classes. {_backbone(result, settings)} Seed {settings.seed}. "
            f"Average precision is computed with the definition “{result.study.flavour}”; intervals are 95% "
            f"bootstrap intervals from {settings.resamples} resamples of the images."
        ),
        (
            "The rows follow “Is object localization for free? Weakly-supervised learning with convolutional "
            "neural networks” (Oquab, Bottou, Laptev, Sivic, CVPR 2015); their letters are those of the paper."
        ),
    )
    write_html(folder.report, Report(f"{result.study.title}: localization from image tags", lead, sections))


def _backbone(result: StudyResult, settings: ReproductionSettings) -> str:
    weights = (
        "its default weights" if settings.weights is None else f"the weights in {Path(settings.weights).name}"
    )
    return f"Backbone {settings.backbone} with {weights} (fingerprint {result.backbone_fingerprint[:16]}…)."


def _unmeasured(result: StudyResult) -> list[Section]:
    text = (
        f"{result.val} has no annotations, so nothing could be measured. The folder “submissions” contains the "
        "scores of each row for the evaluation server."
    )
    return [Section("Scores", (text,)), _training(result)]


def _sections(result: StudyResult, val_set: Dataset, folder: StudyFolder) -> list[Section]:
    sections = [
        Section("Tables", _few_positives(result), summary_tables(result)),
        _training(result),
        Section(
            "Significant differences",
            (
                (
                    "Both rows are evaluated on the same bootstrap resamples of the images. A difference is "
                    "significant if its interval does not contain 0. Rows whose training did not converge are "
                    "left out."
                ),
            ),
            difference_tables(result),
        ),
        Section("Results by class", figures=tuple(bar_figures(result, folder)), tables=_by_class(result)),
        *_by_group(result, folder),
        *([_paper(result)] if result.paper else []),
        _context(result),
        Section("Precision and recall", figures=tuple(curve_figures(result, folder))),
    ]
    if "weak" in result.predictions:
        sections.append(point_section(val_set, result.predictions["weak"], folder))
    if (boxes := box_table(result)) is not None:
        sections.append(box_section(result, boxes, val_set, folder))
    sections += _evolution(result, folder)
    sections.append(_published(result))
    return sections


def _few_positives(result: StudyResult) -> tuple[str, ...]:
    names = [
        name for name, count in zip(result.classes, result.positives, strict=True) if count < MIN_POSITIVES
    ]
    if not names:
        return ()
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return (
        (
            f"{len(names)} of {len(result.classes)} classes occur in fewer than {MIN_POSITIVES} images, so their "
            f"results are unreliable: {listed}."
        ),
    )


def _training(result: StudyResult) -> Section:
    table = training_table(result)
    text = (
        (
            "The final loss is the mean of the last epoch. Scores that are the same in all images reach at best "
            "the loss of constant scores, the entropy of the classes' frequencies. If the final loss is not at "
            f"least {100 * MIN_EXPLAINED:g}% lower, training is still on its initial plateau: it did not "
            "converge, and its rows take part in no comparison. The seconds are those of all epochs, without the "
            "features that were cached before them. The R-CNN recipe has no such model."
        ),
        *_letter(result),
    )
    return Section("Training", text, () if table is None else (table,))


def _letter(result: StudyResult) -> tuple[str, ...]:
    if not any(row.plan.protocol == "letter" for row in result.rows):
        return ()
    return (
        (
            "“To the letter” follows section 4 of the paper, except that images are resized before they are "
            "padded, with a backbone without windows up to a multiple of its stride, and that products may be "
            "computed in bfloat16."
        ),
    )


def _by_class(result: StudyResult) -> tuple[Table, ...]:
    captions = {"classification": "Classification AP, percent", "location": "Location AP, percent"}
    return tuple(class_table(result, key, caption) for key, caption in captions.items())


def _by_group(result: StudyResult, folder: StudyFolder) -> list[Section]:
    """Return the section about COCO's super-categories, if the study has any."""
    table = group_table(result)
    if table is None:
        return []
    text = (
        "The classes are arranged as in the paper's Figure 5, by COCO's super-categories. The paper finds that "
        "kitchenware and electronics are recognized from the scene. Means cover those classes of a "
        "super-category that occur in the images."
    )
    return [Section("Results by super-category", (text,), (table,), tuple(group_figures(result, folder)))]


def _paper(result: StudyResult) -> Section:
    printed = (
        "Only values that are printed in the paper's text are shown. They are those of the paper's networks and, "
        "in some rows, of other images than those of this study."
    )
    compared = (
        "Differences are shown where the images are the same and training converged. Their intervals are those of "
        "our values: the paper's predictions are not known, so its values are taken as they are."
        if result.is_complete
        else "Differences are not computed, because this study does not have all images and classes of "
        f"{result.study.title}."
    )
    return Section("Beside the paper, by class", (printed, compared), paper_tables(result))


def _context(result: StudyResult) -> Section:
    names = [audit.name for audit in result.audit if audit.from_scene]
    text = (
        f"Recognized from the scene: {', '.join(names)}."
        if names
        else "No class is recognized from the scene."
        if result.audit
        else "Not tested, because the weakly supervised row was not evaluated or did not converge."
    )
    rule = (
        "A class counts as recognized from the scene if its classification AP exceeds its location AP by more "
        f"than {100 * MIN_GAP:g} points with 97.5% confidence."
    )
    tables = (audit_table(result),) if result.audit else ()
    return Section("Context or object", (text, rule), tables)


def _evolution(result: StudyResult, folder: StudyFolder) -> list[Section]:
    """Return the section about training images in the snapshots, if there are any (paper, Figures 1 and 4)."""
    evolution, figures = result.evolution, []
    if evolution.one_class:
        name = evolution.one_class[0].class_name
        caption = f"Training images of the class {name}, and their score maps during training."
        plot = draw_class_evolution(evolution.one_class)
        figures.append(saved_figure(plot, folder.figures / "evolution_class", caption))
    if evolution.windows:
        caption = (
            "Score maps of training images during training, with the highest-scoring windows of the class and of "
            "an absent class."
        )
        figures.append(
            saved_figure(draw_map_evolution(evolution.windows), folder.figures / "evolution", caption)
        )
    rule = (
        "The first figure shows motorbikes, as in the paper, or the class with the most training images, at even "
        "distances in the ranking by the trained network, highest score first. The second one shows for each "
        "class the image with the highest score. Between the iterations shown, the maps change by about the same "
        "amount."
    )
    return [Section("Score maps during training", (rule,), figures=figures)] if figures else []


def _published(result: StudyResult) -> Section:
    numbers = PUBLISHED.get(result.study.name, ())
    rows = tuple(
        (one.what, one.measure, f"{one.value:.2f}".rstrip("0").rstrip("."), one.source) for one in numbers
    )
    text = (
        (
            "These numbers were published by others, mostly for other data or networks. They provide context, "
            "not a ranking. Only numbers that we could verify in their source are listed."
        ),
    )
    tables = (
        (Table(("method", "measure", "value", "source"), rows, "Published numbers, percent"),) if rows else ()
    )
    return Section("Published numbers", text, tables)
