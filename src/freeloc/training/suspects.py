"""Find the tags that are most probably missing or wrong.

Every image is scored by a model that was trained without it, because a model soon agrees with the tags that it was
trained on: by a given model, or by heads that are trained on parts of the images (`freeloc.training.fold_scores`).
If a given model was trained on some of the images, heads score all of them: the scores of two kinds of models
cannot be calibrated together. The scores are calibrated per class to probabilities of the tag.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from freeloc._class_names import log_missing_classes
from freeloc._log import get_logger
from freeloc._typing import Float32Array
from freeloc._validation import Count, check_arguments
from freeloc.datasets.dataset import ABSENT, PRESENT, Dataset
from freeloc.errors import ConfigurationError
from freeloc.evaluation.collect import collect
from freeloc.inference.localizer import Localizer
from freeloc.io.progress import pluralize, print_status
from freeloc.io.typed_json import convert_json
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.platt_scaling import fit_calibration
from freeloc.models.registry import find_model
from freeloc.models.training_images import is_training_image, lists_training_images
from freeloc.training.fold_scores import fold_scores
from freeloc.training.recipe import Recipe
from freeloc.training.run_setup import RunSetup
from freeloc.training.settings import TrainingSettings

__all__ = ["Suspect", "SuspectKind", "find_suspects", "rank_suspects"]

_log = get_logger(__name__)

SuspectKind = Literal["missing", "wrong"]
"""What may be wrong: an image lacks a tag, or has one that it should not have."""

_COUNT: Final = 50


@dataclass(frozen=True, slots=True)
class Suspect:
    """A tag that may be missing or wrong; its probability says how likely that is.

    Attributes:
        path: the image.
        name: the class.
        kind: "missing" if the image lacks the tag, "wrong" if it has it.
        probability: probability that an image with this score has the tag, by the other images.
    """

    path: Path
    name: str
    kind: SuspectKind
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "image": str(self.path),
            "class": self.name,
            "kind": self.kind,
            "probability": round(self.probability, 6),
        }


@check_arguments
def find_suspects(
    data: Dataset,
    settings: TrainingSettings | None = None,
    *,
    model: str | Path | None = None,
    count: Count = _COUNT,
    folds: Count = 3,
    quiet: bool = False,
) -> tuple[Suspect, ...]:
    """Find the tags of a dataset that are most probably missing or wrong.

    Args:
        data: images and tags; boxes are not read.
        settings: settings of training; None uses the defaults. With a model, the backbone and the recipe are the
            model's.
        model: a model that judges the images, as `freeloc.models.registry.find_model` takes it. Tags that it does
            not have as classes are not judged. If it was trained on any of these images, whatever their tags were
            then, heads are trained like it instead. A model that an earlier version of freeloc trained does not
            list its training images; only exactly the same images with the same tags are recognized then, and a
            warning says so. None trains heads.
        count: maximum number of suspects of each kind.
        folds: number of heads that are trained, each on all images but one fold.
        quiet: whether to hide progress.

    Returns:
        The suspects, those of kind "missing" first, and most certain first within a kind.

    Raises:
        ConfigurationError: there are fewer than two folds, fewer images than folds, or the model has none of the
            classes.
        DatasetError: the dataset has no images, or a fold leaves nothing to learn.
        ImageError: an image cannot be read.
        ModelError: the model does not exist, or its file is damaged.
        BackboneError: the model's backbone cannot be loaded.
    """
    settings = settings or TrainingSettings()
    if model is not None:
        source = find_model(model)
        header = ModelFile.open(source).header
        if not _was_trained_on(header, data, source.parent.name, quiet=quiet):
            return _judge(source, data, settings, count, quiet=quiet)
        settings = _trained_like(header, settings)
    if len(data) < folds:
        raise ConfigurationError(
            f"{data.name} has {pluralize(len(data), 'image')}, but {folds} heads, each trained without one of "
            f"{folds} parts of the images, require at least {folds}: add images, or specify a model that was "
            "trained on other images",
            parameter="folds",
        )
    return rank_suspects(data, fold_scores(data, settings, folds=folds, quiet=quiet), count=count)


def _was_trained_on(header: ModelHeader, data: Dataset, name: str, *, quiet: bool) -> bool:
    """Return whether a model was trained on any of the images, and say what follows."""
    count = int(np.count_nonzero(is_training_image(header, data, data.image_info())))
    if not count and not lists_training_images(header):
        _log.warning(
            "model %s does not list the images that it was trained on: if some of these are among them, it misses "
            "errors in their tags",
            name,
        )
    if count and not quiet:
        print_status(
            f"model {name} was trained on {count} of these {pluralize(len(data), 'image')}: heads are trained on "
            "parts of the images instead, with its backbone and recipe"
        )
    return count > 0


def _judge(
    source: Path, data: Dataset, settings: TrainingSettings, count: int, *, quiet: bool
) -> tuple[Suspect, ...]:
    """Return the suspects of a dataset by the scores of a model that was trained on other images."""
    localizer = Localizer.load(source, weights=settings.weights)
    name = source.parent.name
    missing = log_missing_classes(data.classes, localizer.classes, f"model {name}", "not judged")
    judged = data.select_classes([each for each in data.classes if each not in missing])
    scores = collect(localizer, judged, name, quiet=quiet).scores.astype(np.float32, copy=False)
    return rank_suspects(judged, scores, count=count)


def _trained_like(header: ModelHeader, settings: TrainingSettings) -> TrainingSettings:
    """Return settings with the backbone and, if the manifest states it, the recipe of a model."""
    setup = RunSetup.from_manifest(header.manifest)
    recipe = settings.recipe if setup is None else convert_json(setup.recipe, Recipe)
    return replace(settings, backbone=header.backbone, recipe=recipe)


def rank_suspects(data: Dataset, scores: Float32Array, *, count: int = _COUNT) -> tuple[Suspect, ...]:
    """Return the suspects of a dataset by its images' scores.

    Args:
        data: images and tags.
        scores: (N, K) scores by models that were not trained on these images.
        count: maximum number of suspects of each kind.
    """
    labels = data.labels
    calibration = fit_calibration(scores, labels, {})
    probabilities = calibration.probabilities(scores)
    log_odds = calibration.log_odds(scores)  # finer than probabilities near 0 and 1
    suspects: list[Suspect] = []
    kinds: Iterable[tuple[SuspectKind, int, int]] = (("missing", ABSENT, -1), ("wrong", PRESENT, 1))
    for kind, label, sign in kinds:
        images, classes = np.nonzero(labels == label)
        order = np.argsort(sign * log_odds[images, classes], kind="stable")[:count]
        suspects += [
            Suspect(
                data.samples[images[index]].path,
                data.classes[classes[index]],
                kind,
                float(probabilities[images[index], classes[index]]),
            )
            for index in order
        ]
    return tuple(suspects)
