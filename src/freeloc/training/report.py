"""Write the page about a trained model to its run folder."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from freeloc._typing import BoolArray, Float32Array
from freeloc.datasets.checks.classes import check_untagged
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, Dataset, Labels
from freeloc.errors import ImageError
from freeloc.inference.localizer import Localizer
from freeloc.io.progress import pluralize, print_status, track
from freeloc.io.stages import describe_duration
from freeloc.metrics import bootstrap_intervals, classification_ranking
from freeloc.metrics.disagreement import find_disagreements
from freeloc.models.model import Model
from freeloc.training.convergence import TrainingOutcome, training_outcome
from freeloc.training.cross_fitting import OutOfFoldScores
from freeloc.training.curve import curve_of
from freeloc.training.epoch_choice import explain_choice
from freeloc.training.preparation import PreparedRun
from freeloc.training.run_folder import RunFolder
from freeloc.visualization.html_report import write_report
from freeloc.visualization.training_curve import render_curve
from freeloc.visualization.training_report import (
    ClassExamples,
    ClassSummary,
    Example,
    LikelyError,
    TrainingReport,
    draw_example,
    training_report,
)

__all__ = ["reported_images", "write_training_report"]

_MAX_IMAGES: Final = 500
_MAX_TRAINING_IMAGES: Final = 60
"""Maximum numbers of validation images and of training images that are predicted; they are evenly spaced."""

_MAX_CLASSES: Final = 20
"""Maximum number of classes of which images are shown: those with the lowest AP."""

_EXAMPLES: Final = 3
"""Number of right and of wrong images per class."""

_MAX_ERRORS: Final = 50
"""Maximum number of likely errors listed."""


@dataclass(frozen=True, eq=False)
class _Measured:
    """Images with their scores, and where these come from.

    Attributes:
        dataset: the N images and labels.
        scores: (N, K) raw scores.
        name: what the images are, such as "validation image".
        out_of_sample: whether the scores come from models that were not trained on the images.
    """

    dataset: Dataset
    scores: Float32Array
    name: str
    out_of_sample: bool

    @property
    def labels(self) -> Labels:
        """The (N, K) labels."""
        return self.dataset.labels


def write_training_report(
    folder: RunFolder,
    model: Model,
    run: PreparedRun,
    held_out: OutOfFoldScores | None = None,
    *,
    quiet: bool = False,
) -> None:
    """Write the page about a trained model.

    The model predicts the validation images as `freeloc predict` does; without validation images, some training
    images. Out-of-fold scores, if any, show which tags of training images are probably wrong, and replace the
    validation images in the table if there are none.

    Args:
        folder: the run folder, which contains the model.
        model: the model.
        run: the run that trained it.
        held_out: out-of-fold scores of training images, if the model was calibrated by folds.
        quiet: whether to hide progress.

    Raises:
        ImageError: an image cannot be read.
        OutputError: the page cannot be written.
    """
    settings = run.settings
    localizer = Localizer.load(
        folder.model, weights=settings.weights, runtime=settings.runtime, precision=settings.precision
    )
    predicted = _predict(localizer, run, quiet=quiet)
    table, suspects = predicted, [predicted] if predicted.out_of_sample else []
    if held_out is not None:
        samples = tuple(run.dataset.samples[index] for index in held_out.indices.tolist())
        folds = _Measured(
            replace(run.dataset, samples=samples),
            held_out.scores,
            "training image, by folds",
            out_of_sample=True,
        )
        suspects.append(folds)
        table = predicted if predicted.out_of_sample else folds
    summaries, content = _summarize(table, localizer, run)
    shown = sorted(summaries, key=_ap_of)[:_MAX_CLASSES]
    names = [item.name for item in summaries if item in shown]
    curve = curve_of(folder)
    trained = training_outcome(
        folder.records(), settings.recipe, run.dataset.labels, draws_scales=settings.draws_scales
    )
    content = replace(
        content,
        title=f"Training of {folder.path.name}",
        facts=_facts(model, run, localizer, trained),
        curve=None if curve is None else render_curve(curve).encode(),
        choice=explain_choice(folder.records(), settings.recipe.epochs, settings.patience),
        examples=_examples(predicted, localizer, names, quiet=quiet),
        examples_from=f"{predicted.name}s",
        likely_errors=_likely_errors(suspects, localizer) if suspects else None,
        missing=[
            *_missing(run, held_out, len(summaries), len(names), localizer.decision.calibration is not None),
            *(f"{_capitalized(str(finding))}." for finding in check_untagged(run.dataset)),
            *([] if trained is None or trained.converged else [f"{_capitalized(trained.verdict)}."]),
        ],
    )
    write_report(folder.report, training_report(content))
    if not quiet:
        print_status(f"wrote {folder.report}")


def reported_images(run: PreparedRun) -> int:
    """Return about how many images are predicted to write the page of a run."""
    classes = min(_MAX_CLASSES, len(run.dataset.classes))
    measured = len(_shown_images(run))
    return measured + min(measured, classes * 2 * _EXAMPLES)


def _shown_images(run: PreparedRun) -> Dataset:
    """Return the images that are predicted: those for validation, or some training images if there are none."""
    images, limit = run.dataset, _MAX_TRAINING_IMAGES
    if run.validation is not None:
        images, limit = run.validation.dataset, _MAX_IMAGES
    chosen = images.evenly_spaced(limit)
    return replace(images, samples=tuple(images.samples[index] for index in chosen))


def _predict(localizer: Localizer, run: PreparedRun, *, quiet: bool) -> _Measured:
    """Predict the validation images, or some training images if there are none."""
    validated, dataset = run.validation is not None, _shown_images(run)
    results = localizer.predict_many(sample.image for sample in dataset)
    tracked = track(results, "predicting images for the report", len(dataset), quiet=quiet)
    scores = np.stack([result.scores for result in tracked])
    return _Measured(dataset, scores, "validation image" if validated else "training image", validated)


def _summarize(
    measured: _Measured, localizer: Localizer, run: PreparedRun
) -> tuple[list[ClassSummary], TrainingReport]:
    labels, scores = measured.labels, measured.scores
    result = None
    if measured.out_of_sample:
        # Calibration keeps the order of the images, so raw scores have the same AP.
        result = bootstrap_intervals(classification_ranking(scores, labels))
    thresholds = localizer.decision.thresholds(len(localizer.classes))
    decided = localizer.decision.probabilities(scores) >= thresholds
    training = (run.dataset.labels == PRESENT).sum(axis=0)
    summaries = [
        ClassSummary(
            name,
            int(training[k]),
            int((labels[:, k] == PRESENT).sum()),
            None if result is None else result.classes[k],
            float(thresholds[k]),
            int((decided[:, k] & (labels[:, k] == PRESENT)).sum()),
            int((decided[:, k] & (labels[:, k] == ABSENT)).sum()),
        )
        for k, name in enumerate(localizer.classes)
    ]
    content = TrainingReport(
        title="",
        facts=(),
        curve=None,
        measured_on=_count(measured),
        out_of_sample=measured.out_of_sample,
        mean_ap=None if result is None else result.mean,
        classes=summaries,
        calibrated=localizer.decision.calibration is not None,
        examples=(),
        examples_from="",
        likely_errors=None,
    )
    return summaries, content


def _count(measured: _Measured) -> str:
    first, comma, rest = measured.name.partition(",")
    return f"{pluralize(len(measured.dataset), first)}{comma}{rest}"


def _ap_of(summary: ClassSummary) -> float:
    value = math.inf if summary.ap is None else summary.ap.estimate
    return math.inf if math.isnan(value) else value


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _facts(
    model: Model, run: PreparedRun, localizer: Localizer, trained: TrainingOutcome | None
) -> list[tuple[str, str]]:
    manifest, recipe = model.header.manifest, run.settings.recipe
    validation: Mapping[str, object] = manifest.get("validation") or {}
    timings = manifest.get("timings", {})
    facts = [
        ("classes", ", ".join(localizer.classes)),
        ("training images", f"{len(run.dataset)} of {run.dataset.name}"),
        ("validation images", str(validation.get("images", "none"))),
        ("backbone", model.header.backbone),
        ("recipe", f"{recipe.name}, up to {pluralize(recipe.epochs, 'epoch')}"),
        ("scales of prediction", ", ".join(f"{scale:g}" for scale in model.header.scales)),
        ("seed", str(run.settings.seed)),
        *(
            (f"time for {key.removesuffix('_seconds')}", describe_duration(value))
            for key, value in timings.items()
        ),
        ("freeloc", str(manifest.get("versions", {}).get("freeloc", ""))),
    ]
    if trained is not None:
        facts[6:6] = [
            ("learning rate of the head", f"{trained.learning_rate:g}"),
            ("training steps", f"{trained.steps:,}"),
            ("scales of training", trained.scale_text),
            ("cells per step", trained.cells),
            (
                "training loss",
                f"{trained.loss:.3f}; {trained.constant_loss:.3f} if all images had the same scores",
            ),
        ]
    if "best_epoch" in validation:
        facts.insert(5, ("best epoch", str(validation["best_epoch"])))
    return facts


def _examples(
    measured: _Measured, localizer: Localizer, names: Sequence[str], *, quiet: bool
) -> list[ClassExamples]:
    """Draw the surest right and wrong images of some classes; an image that cannot be read is left out."""
    thresholds = localizer.decision.thresholds(len(localizer.classes))
    # Log-odds, because several probabilities may round to 1.
    odds = np.asarray(localizer.decision.log_odds(measured.scores), np.float64)
    limits = np.log(np.clip(thresholds, 1e-9, 1 - 1e-9)) - np.log1p(-np.clip(thresholds, 1e-9, 1 - 1e-9))
    chosen: dict[tuple[str, bool], list[int]] = {}
    for name in names:
        k = localizer.classes.index(name)
        margin, labels = odds[:, k] - limits[k], measured.labels[:, k]
        agrees: BoolArray = (margin >= 0) == (labels == PRESENT)
        for is_right, candidates in (
            (True, agrees & (labels == PRESENT)),
            (False, ~agrees & (labels != IGNORE)),
        ):
            indices = np.flatnonzero(candidates)
            order = np.argsort(-np.abs(margin[indices]), kind="stable")
            chosen[name, is_right] = indices[order][:_EXAMPLES].tolist()
    wanted: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for key, found in chosen.items():
        for index in found:
            wanted[index].append(key)
    drawn: dict[tuple[str, bool, int], Example] = {}
    images = [measured.dataset.samples[index].image for index in wanted]
    results = localizer.predict_stream(images, with_images=True)
    tracked = track(results, "drawing images for the report", len(images), quiet=quiet)
    for index, outcome in zip(wanted, tracked, strict=True):
        result, image = (None, None) if isinstance(outcome, ImageError) else outcome
        if result is None or image is None:
            continue
        for name, is_right in wanted[index]:
            picture = draw_example(image, result, name)
            tagged = measured.labels[index, localizer.classes.index(name)] == PRESENT
            text = (
                f"{measured.dataset.samples[index].path.name} "
                f"({'tagged' if tagged else 'not tagged'}, {result[name].probability:.2f})"
            )
            drawn[name, is_right, index] = Example(picture, text)
    return [
        ClassExamples(
            name,
            *(
                [drawn[name, is_right, n] for n in chosen[name, is_right] if (name, is_right, n) in drawn]
                for is_right in (True, False)
            ),
        )
        for name in names
    ]


def _likely_errors(suspects: Sequence[_Measured], localizer: Localizer) -> list[LikelyError]:
    found = []
    for measured in suspects:
        probabilities = localizer.decision.probabilities(measured.scores)
        for item in find_disagreements(probabilities, measured.labels):
            path = measured.dataset.samples[item.image].path
            error = LikelyError(
                f"{path.parent.name}/{path.name}",
                localizer.classes[item.label],
                item.is_present,
                item.probability,
            )
            found.append((-item.strength, error))
    found.sort(key=lambda pair: pair[0])
    return [error for _, error in found[:_MAX_ERRORS]]


def _missing(
    run: PreparedRun, held_out: OutOfFoldScores | None, classes: int, shown: int, calibrated: bool
) -> list[str]:
    missing = []
    if run.validation is None and held_out is None:
        missing.append(
            "There are no validation images, so nothing here says how good the model is on images that it has not "
            "seen, and no wrong tags can be found. Hold some out with --val-split 0.1 (Python: val_split=0.1), or "
            "pass others with --val (Python: val)."
        )
    elif run.validation is None:
        missing.append(
            "There are no validation images. The table uses scores from folds: each training image was scored by "
            "a model that was trained without it. The pictures show training images, which the model has seen."
        )
    if not calibrated:
        missing.append(
            "The thresholds are not fitted to the classes: calibrate the model with --calibrate 5 (Python: "
            "calibration_folds=5) or with freeloc calibrate."
        )
    if shown < classes:
        missing.append(f"Images are shown of {shown} of the {classes} classes, those with the lowest AP.")
    return missing
