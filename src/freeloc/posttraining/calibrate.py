"""Calibrate a trained model on tagged images that were not used for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np

from freeloc._class_names import quote_names
from freeloc._literals import InferencePrecision, Runtime
from freeloc._typing import Float32Array
from freeloc._validation import check_arguments
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import Dataset, check_informative
from freeloc.datasets.training_data import DataOptions
from freeloc.errors import DatasetError
from freeloc.evaluation.inputs import open_for_models
from freeloc.images.image_info import ImageInfo
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.localizer import Localizer
from freeloc.io.lock import lock_file
from freeloc.io.progress import pluralize, print_status, track
from freeloc.models.calibration import Calibration
from freeloc.models.file_access import check_content
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.model import Model
from freeloc.models.registry import find_model, model_file, writable_path
from freeloc.models.training_images import is_training_image
from freeloc.posttraining.model_output import keep_earlier_file, save_or_keep
from freeloc.posttraining.recalibration import (
    CalibrationComparison,
    compare_by_folds,
    informative_classes,
    recalibrate,
)

__all__ = ["calibrate", "calibrated_path"]


@check_arguments
def calibrate(
    model: str | Path,
    dataset: Dataset | DataSource,
    *,
    out: str | Path | None = None,
    force: bool = False,
    weights: str | Path | None = None,
    runtime: Runtime = "auto",
    precision: InferencePrecision = "auto",
    quiet: bool = False,
    **data_options: Unpack[DataOptions],
) -> Model:
    """Fit a model's calibration and thresholds to held-out images; its scores and points do not change.

    The images are scored at the model's default scales. Only classes that are present in one image and absent from
    another are calibrated; all others keep their calibration, or remain without one. Cross-validation on the given
    images measures whether this helps.

    Args:
        model: a model file, a run folder, or a name; see `freeloc.models.registry.find_model`.
        dataset: tagged images that were not used for training, as an open dataset with classes of the model, or
            as what `open_dataset` opens, such as a path. Images that the model was trained on are left out. Boxes
            are not read.
        out: the model file to write. By default, the model's own file is replaced; for a model that ships with
            freeloc, a copy is written to the user's folder of models (``voc20-calibrated`` for ``voc20``). A file
            that is replaced is kept beside as ``model.before-calibration.safetensors``.
        force: whether to calibrate even if, by cross-validation, the probabilities do not become better.
        weights: local weight file of the backbone; None uses the backbone's default weights.
        runtime: the library that runs the network.
        precision: arithmetic of the network.
        quiet: whether to hide progress.
        data_options: if ``dataset`` is a path, options of `open_dataset`, such as ``split="val"``.

    Returns:
        The calibrated model.

    Raises:
        DatasetError: the model was trained on these images, the dataset has a class that the model does not have,
            there are no images, no class is present in one image and absent from another, or the calibration does
            not help and ``force`` is False.
        ImageError: an image cannot be read, or was replaced after it was checked.
        ModelError: the model does not exist, its file is damaged, or it was replaced while the images were scored.
        OutputError: the model file cannot be written, or another process is writing to it.
    """
    source = find_model(model)
    target = calibrated_path(source, out)
    with lock_file(target):
        if not isinstance(dataset, Dataset) or data_options:
            known = {source.parent.name: ModelFile.open(source).header.classes}
            dataset = open_for_models(dataset, known, data_options, quiet=quiet)
        scored = _score_images(source, dataset, weights, runtime, precision, quiet=quiet)
        calibrated, comparison = _calibrate(scored, force=force)
        check_content(source, scored.model.content_hash)
        if not quiet:
            print_status(_summary(calibrated, comparison, scored.dataset))
        kept = keep_earlier_file(target, "calibration")
        try:
            save_or_keep(calibrated, target)
        except BaseException:
            if kept is not None:
                kept.unlink(missing_ok=True)  # the file at the target is unchanged
            raise
    if not quiet:
        if kept is not None:
            print_status(f"kept the earlier model in {kept}")
        print_status(f"wrote {target}")
    return calibrated


def calibrated_path(source: Path, out: str | Path | None) -> Path:
    """Return the path to which `calibrate` writes a model.

    Args:
        source: the model file.
        out: the requested path; see `calibrate`.

    Raises:
        OutputError: nothing is requested, and there is no folder for a copy.
    """
    return writable_path(source, "calibrated") if out is None else model_file(out)


@dataclass(frozen=True, eq=False)
class _ScoredImages:
    """Images scored by a model.

    Attributes:
        model: the model.
        dataset: the N images and their tags.
        labels: index in the model's classes of each of the dataset's K classes.
        scores: (N, K) float32 raw scores.
        fingerprint: content fingerprint of the dataset.
    """

    model: Model
    dataset: Dataset
    labels: tuple[int, ...]
    scores: Float32Array
    fingerprint: str


def _score_images(
    source: Path,
    dataset: Dataset,
    weights: str | Path | None,
    runtime: Runtime,
    precision: InferencePrecision,
    *,
    quiet: bool,
) -> _ScoredImages:
    header = ModelFile.open(source).header
    _check_dataset(header, dataset)
    dataset, image_info = _without_training_images(header, dataset, quiet=quiet)
    localizer = Localizer.load(source, weights=weights, runtime=runtime, precision=precision)
    # Loaded before the images are scored, so that the calibration is written with the weights that computed the
    # scores even if the file is replaced in the meantime.
    scored = localizer.model
    labels = tuple(header.classes.index(name) for name in dataset.classes)
    scores = _score(localizer, dataset, image_info, quiet=quiet)
    fingerprint = dataset.content_fingerprint(image_info)
    return _ScoredImages(scored, dataset, labels, scores[:, list(labels)], fingerprint)


def _calibrate(images: _ScoredImages, *, force: bool) -> tuple[Model, CalibrationComparison]:
    """Return the calibrated model, and its comparison with the model so far.

    Raises:
        DatasetError: the calibration does not help, and ``force`` is False.
    """
    header, dataset = images.model.header, images.dataset
    count = len(header.classes)
    earlier = header.calibration or Calibration((1.0,) * count, (0.0,) * count, (header.threshold,) * count)
    previous = earlier.select(images.labels)
    comparison = compare_by_folds(previous, images.scores, dataset.labels)
    if not comparison.helps and not force:
        raise DatasetError(
            f"calibration on the {pluralize(len(dataset), 'image')} of {dataset.name} does not "
            f"clearly improve the probabilities (by cross-validation, {comparison.describe()}), so the model is "
            "unchanged: use more images, or force the calibration",
            parameter="force",
        )
    found = recalibrate(previous, images.scores, dataset.labels)
    columns: list[list[float]] = [
        list(values) for values in (earlier.slopes, earlier.offsets, earlier.thresholds)
    ]
    for column, values in zip(columns, (found.slopes, found.offsets, found.thresholds), strict=True):
        for label, value in zip(images.labels, values, strict=True):
            column[label] = value
    facts = {
        "by": "held-out images",
        "name": dataset.name,
        "data": images.fingerprint,
        "images": len(dataset),
        "scales": list(header.scales),
        "left_alone": list(_left_alone(header.classes, dataset)),
        "cross_validation": comparison.to_dict(),
    }
    slopes, offsets, thresholds = map(tuple, columns)
    calibration = Calibration(slopes, offsets, thresholds, facts)
    return images.model.with_header(calibration=calibration), comparison


def _check_dataset(header: ModelHeader, dataset: Dataset) -> None:
    if not len(dataset):
        raise DatasetError(f"{dataset.name} has no images: calibration requires at least one")
    unknown = [name for name in dataset.classes if name not in header.classes]
    if unknown:
        raise DatasetError(
            f"{dataset.name} has the classes {quote_names(unknown)}, which the model does not have: choose "
            f"classes of the model, which are {quote_names(header.classes)}",
            parameter="classes",
        )
    check_informative(dataset, "calibration")


def _without_training_images(
    header: ModelHeader, dataset: Dataset, *, quiet: bool
) -> tuple[Dataset, tuple[ImageInfo, ...]]:
    """Return the images that the model was not trained on, with their sizes and hashes.

    Raises:
        DatasetError: there are none, or their tags say nothing about any class.
    """
    image_info = dataset.image_info()
    trained = is_training_image(header, dataset, image_info)
    if trained.all():
        raise DatasetError(
            f"the model was trained on {dataset.name}, so its scores on these images are too confident: use "
            "tagged images that it was not trained on, or train with calibration folds, which need no other images"
        )
    if not trained.any():
        return dataset, image_info
    if not quiet:
        print_status(
            f"{np.count_nonzero(trained)} of {pluralize(len(dataset), 'image')} left out, because the model was "
            "trained on them"
        )
    kept = np.flatnonzero(~trained).tolist()
    dataset = replace(dataset, samples=tuple(dataset.samples[index] for index in kept))
    check_informative(dataset, "calibration")
    return dataset, tuple(image_info[index] for index in kept)


def _left_alone(classes: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    """Return the model's classes about which the tags say too little to calibrate them."""
    informative = informative_classes(dataset.labels)
    fitted = {name for name, use in zip(dataset.classes, informative, strict=True) if use}
    return tuple(name for name in classes if name not in fitted)


def _score(
    localizer: Localizer, dataset: Dataset, image_info: Sequence[ImageInfo], *, quiet: bool
) -> Float32Array:
    maps = localizer.score_maps_many(dataset.unchanged_images(image_info))
    # Allocated once: small arrays kept between large temporary ones would fragment memory.
    scores = np.empty((len(dataset), len(localizer.classes)), np.float32)
    for index, scale_maps in enumerate(track(maps, "scoring images", len(dataset), quiet=quiet)):
        scores[index] = pooled_scores(scale_maps, localizer.pooling)
    return scores


def _summary(model: Model, comparison: CalibrationComparison, dataset: Dataset) -> str:
    classes = model.header.classes
    others = _left_alone(classes, dataset)
    left_alone = (
        f"; left alone {quote_names(others)}, because the tags do not show images with and images without them"
        if others
        else ""
    )
    images = pluralize(len(dataset), "image")
    return (
        f"calibrated {len(classes) - len(others)} of {len(classes)} classes on {images}: by cross-validation, "
        f"{comparison.describe()}{left_alone}"
    )
