"""What a study leaves: results for machines, a report for people, and files a test server reads."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import metadata
from typing import Any

from freeloc.datasets.dataset import Dataset
from freeloc.io.atomic import write_text
from freeloc.io.progress import print_status
from freeloc.paper.measure import as_json
from freeloc.paper.published_numbers import PUBLISHED
from freeloc.paper.report import write_report
from freeloc.paper.reproduce import Outcome
from freeloc.paper.settings import Places, Settings
from freeloc.writers.voc_results import write_classification_results

__all__ = ["outcome_json", "write_outcome"]


def outcome_json(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """Everything a study found as plain JSON values, numbers in percent."""
    return {
        "schema_version": 1,
        "study": outcome.study.name,
        "train": outcome.train,
        "val": outcome.val,
        "images": outcome.images,
        "positives": dict(zip(outcome.classes, outcome.positives, strict=True)),
        "ap": outcome.study.flavour,
        "backbone": settings.backbone,
        "seed": settings.seed,
        "resamples": settings.resamples,
        "freeloc": metadata.version("freeloc"),
        "rows": [as_json(row, outcome.classes) for row in outcome.rows],
        "audit": [audit.as_json() for audit in outcome.audit],
        "published": [asdict(number) for number in PUBLISHED[outcome.study.name]],
    }


def write_outcome(
    outcome: Outcome, val_set: Dataset, places: Places, settings: Settings, *, split: str | None = None
) -> None:
    """Write results.json, the devkit's result files, the figures and report.html, and say where they are.

    Args:
        outcome: what was measured.
        val_set: the images it was measured on.
        places: where everything goes.
        settings: how the study was run.
        split: what the devkit calls the list of these images; default the study's.

    Raises:
        FreelocError: a place cannot be written to, or matplotlib is not installed; the numbers are written then.
    """
    write_text(places.results, json.dumps(outcome_json(outcome, settings), indent=1) + "\n")
    print_status(f"wrote {places.results}")
    if outcome.study.devkit is not None and "weak" in outcome.predictions:
        folder = places.out / "results" / outcome.study.devkit / "Main"
        idents = [sample.path.stem for sample in val_set]
        scores = outcome.predictions["weak"].scores
        for competition in ("comp1", "comp2"):
            write_classification_results(
                folder, idents, outcome.classes, scores, split or outcome.study.val_split, competition
            )
        print_status(f"wrote {folder}: the weakly supervised row, for the devkit and its server")
    write_report(outcome, val_set, places, settings)
    print_status(f"wrote {places.page} and {places.figures}")
