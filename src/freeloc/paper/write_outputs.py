"""Output files of a study: results as JSON, a report, a gallery, and files for VOC's evaluation server."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from freeloc.datasets.dataset import Dataset
from freeloc.errors import OutputError
from freeloc.io.atomic import write_text
from freeloc.io.progress import print_status
from freeloc.io.terminal import print_result
from freeloc.paper.measured_rows import row_as_json
from freeloc.paper.published_numbers import PUBLISHED
from freeloc.paper.report import write_report
from freeloc.paper.row_plans import ROWS
from freeloc.paper.settings import ReproductionSettings
from freeloc.paper.study_folder import StudyFolder
from freeloc.paper.study_result import StudyResult
from freeloc.paper.super_categories import super_categories
from freeloc.paper.tables import box_table, summary_tables
from freeloc.writers.evaluation_gallery import write_evaluation_gallery
from freeloc.writers.server_scores import write_server_scores
from freeloc.writers.voc_results import write_classification_results

__all__ = ["result_as_json", "write_outputs"]


def result_as_json(result: StudyResult, settings: ReproductionSettings) -> dict[str, Any]:
    """Convert the result of a study to plain JSON values; measures are in percent."""
    return {
        "schema_version": 1,
        "study": result.study.name,
        "train": result.train,
        "val": result.val,
        "images": result.images,
        "positives": dict(zip(result.classes, result.positives, strict=True)),
        "ap": result.study.flavour,
        "backbone": settings.backbone,
        "weights": None if settings.weights is None else Path(settings.weights).name,
        "backbone_fingerprint": result.backbone_fingerprint,
        "seed": settings.seed,
        "resamples": settings.resamples,
        "freeloc": metadata.version("freeloc"),
        "rows": [row_as_json(row, result.classes) for row in result.rows],
        "super_categories": {
            group.name: [result.classes[label] for label in group.classes]
            for group in super_categories(result.study.name, result.classes)
        },
        "audit": [audit.to_dict() for audit in result.audit],
        "complete": result.is_complete,
        "paper": [comparison.to_dict() for comparison in result.paper],
        "published": [asdict(number) for number in PUBLISHED.get(result.study.name, ())],
    }


def write_outputs(
    result: StudyResult,
    val_set: Dataset,
    folder: StudyFolder,
    settings: ReproductionSettings,
    *,
    split: str | None = None,
) -> None:
    """Write results.json, the devkit's result files, the figures and both HTML pages, and print their paths.

    Args:
        result: the result of the study.
        val_set: the evaluation images.
        folder: output folder of the study.
        settings: settings of the study.
        split: name of the evaluation split in the devkit; default: that of the study.

    Raises:
        MissingDependencyError: matplotlib is not installed; results.json has already been written.
        OutputError: a file cannot be written; the tables have then been printed to standard output.
    """
    try:
        _write_outputs(result, val_set, folder, settings, split)
    except OutputError:
        _print_tables(result)
        raise


def _print_tables(result: StudyResult) -> None:
    for table in (*summary_tables(result), box_table(result)):
        if table is not None:
            print_result(table.caption)
            for cells in (table.header, *table.rows):
                print_result(*cells)


def _write_outputs(
    result: StudyResult,
    val_set: Dataset,
    folder: StudyFolder,
    settings: ReproductionSettings,
    split: str | None,
) -> None:
    write_text(folder.results, json.dumps(result_as_json(result, settings), indent=1) + "\n")
    added = {row.name for row in settings.add_row}
    tell = (lambda _text: None) if settings.quiet else print_status
    tell(f"wrote {folder.results}")
    if result.study.devkit is not None and "weak" in result.predictions:
        results = folder.root / "results" / result.study.devkit / "Main"
        ids = [sample.path.stem for sample in val_set]
        scores = result.predictions["weak"].scores
        for competition in ("comp1", "comp2"):
            write_classification_results(
                results, ids, result.classes, scores, split or result.study.val_split, competition
            )
        tell(f"wrote {results}: results of the weakly supervised row in the format of the VOC devkit")
    if not result.is_measured:
        for row in result.rows:
            if row.plan.key in added or row.plan.key == "center":  # their scores are already in files
                continue
            place = folder.submission(row.plan.key)
            write_server_scores(place, val_set, [result.predictions[row.plan.key]], split)
            tell(f"wrote {place}: scores of the row {row.title} for the evaluation server")
    write_report(result, val_set, folder, settings)
    tell(f"wrote {folder.report} and {folder.figures}")
    if result.is_measured and "weak" in result.predictions:
        weak = replace(result.predictions["weak"], name=ROWS["weak"].title)
        write_evaluation_gallery(folder.gallery, weak, val_set, mode=ROWS["weak"].mode, quiet=settings.quiet)
        tell(f"wrote {folder.gallery}")
