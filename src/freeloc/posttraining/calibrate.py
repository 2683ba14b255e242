"""Calibrate a trained model on tagged images that were not used for training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeloc._literals import InferencePrecision, Runtime
from freeloc._typing import Float32Array
from freeloc._validation import check_arguments
from freeloc.datasets.dataset import Dataset, check_informative
from freeloc.errors import DatasetError
from freeloc.images.image_info import ImageInfo
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.localizer import Localizer
from freeloc.inference.score_map import sigmoid
from freeloc.io.lock import lock_file
from freeloc.io.progress import pluralize, print_status, track
from freeloc.metrics import calibration_error
from freeloc.models.calibration import Calibration
from freeloc.models.file_access import check_content
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration
from freeloc.models.registry import find_model, model_file, writable_path

__all__ = ["calibrate"]


@check_arguments
def calibrate(
    model: str | Path,
    dataset: Dataset,
    *,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    runtime: Runtime = "auto",
    precision: InferencePrecision = "auto",
    quiet: bool = False,
) -> Model:
    """Fit a model's calibration and thresholds to held-out images; its scores and points do not change.

    The images are scored at the model's default scales.

    Args:
        model: a model file, a run folder, or a name; see `freeloc.models.registry.find_model`.
        dataset: tagged images that were not used for training, with the model's classes. Boxes are not read.
        out: the model file to write. By default, the model's own file is replaced; for a model that ships with
            freeloc, a copy is written to the user's folder of models and takes precedence from then on.
        weights: local weight file of the backbone; None uses the backbone's default weights.
        runtime: the library that runs the network.
        precision: arithmetic of the network.
        quiet: whether to hide progress.

    Returns:
        The calibrated model.

    Raises:
        DatasetError: the model was trained on these images, the dataset's classes differ from the model's, there
            are no images, or no class is present in one image and absent from another.
        ImageError: an image cannot be read, or was replaced after it was checked.
        ModelError: the model does not exist, its file is damaged, or it was replaced while the images were scored.
        OutputError: the model file cannot be written, or another process is writing to it.
    """
    source = find_model(model)
    target = writable_path(source) if out is None else model_file(out)
    with lock_file(target):
        calibrated, summary = _calibrate(source, dataset, weights, runtime, precision, quiet=quiet)
        calibrated.save(target)
    if not quiet:
        print_status(summary)
        print_status(f"wrote {target}")
    return calibrated


def _calibrate(
    source: Path,
    dataset: Dataset,
    weights: str | Path | None,
    runtime: Runtime,
    precision: InferencePrecision,
    *,
    quiet: bool,
) -> tuple[Model, str]:
    """Return the calibrated model, and a sentence about the calibration."""
    header = ModelFile.open(source).header
    image_info = dataset.image_info()
    fingerprint = dataset.content_fingerprint(image_info)
    _check_dataset(header, dataset, fingerprint)
    localizer = Localizer.load(source, weights=weights, runtime=runtime, precision=precision)
    # Loaded before the images are scored, so that the calibration is written with the weights that computed the
    # scores even if the file is replaced in the meantime.
    scored = localizer.model
    scores = _score(localizer, dataset, image_info, quiet=quiet)
    facts = {
        "by": "held-out images",
        "name": dataset.name,
        "data": fingerprint,
        "images": len(dataset),
        "scales": list(scored.header.scales),
    }
    calibration = fit_calibration(scores, dataset.labels, facts)
    check_content(source, scored.content_hash)
    return scored.with_header(calibration=calibration), _summary(calibration, scores, dataset)


def _check_dataset(header: ModelHeader, dataset: Dataset, fingerprint: str) -> None:
    if not len(dataset):
        raise DatasetError(f"{dataset.name} has no images: calibration requires at least one")
    if dataset.classes != header.classes:
        raise DatasetError(
            f"the classes of {dataset.name} are {', '.join(dataset.classes)}, but those of the model are "
            f"{', '.join(header.classes)}: use a dataset with the model's classes in the same order"
        )
    check_informative(dataset, "calibration")
    if header.training_data.get("fingerprint") == fingerprint:
        raise DatasetError(
            f"the model was trained on {dataset.name}, so its scores on these images are too confident: use "
            "tagged images that it was not trained on, or train with calibration folds, which need no other images"
        )


def _score(
    localizer: Localizer, dataset: Dataset, image_info: Sequence[ImageInfo], *, quiet: bool
) -> Float32Array:
    maps = localizer.score_maps_many(dataset.unchanged_images(image_info))
    # Allocated once: small arrays kept between large temporary ones would fragment memory.
    scores = np.empty((len(dataset), len(dataset.classes)), np.float32)
    for index, scale_maps in enumerate(track(maps, "scoring images", len(dataset), quiet=quiet)):
        scores[index] = pooled_scores(scale_maps, localizer.pooling)
    return scores


def _summary(calibration: Calibration, scores: Float32Array, dataset: Dataset) -> str:
    before = calibration_error(sigmoid(scores), dataset.labels)
    after = calibration_error(calibration.probabilities(scores), dataset.labels)
    without = int(((dataset.labels > 0).sum(axis=0) == 0).sum())
    missing = f" (classes without positive images: {without})" if without else ""
    return (
        f"calibrated on {pluralize(len(dataset), 'image')}{missing}: the calibration error on these images was "
        f"{100 * before:.1f}% before and is {100 * after:.1f}% now; evaluate on other images for an unbiased value"
    )
