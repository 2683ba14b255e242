"""Calibrating a model that is there already: on tagged images that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import Dataset
from freeloc.errors import FreelocError
from freeloc.images.hashing import hash_images
from freeloc.inference.fusion import pooled_scores
from freeloc.inference.localizer import Localizer
from freeloc.inference.score_map import sigmoid
from freeloc.io.progress import pluralize, print_status, track
from freeloc.metrics import calibration_error
from freeloc.models.calibration import Calibration
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration
from freeloc.models.registry import find_model, model_file, writable_path
from freeloc.runtime import InferencePrecision, Runtime
from freeloc.training.run_setup import data_fingerprint

__all__ = ["calibrate"]


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
    """Fit a model's probabilities and thresholds on held-out images; its scores and points stay as they are.

    The images are looked at as `Localizer` does by default, at the model's own scales.

    Args:
        model: a model file, the run folder that holds it, or a name, see `freeloc.models.registry.find_model`.
        dataset: tagged images that the model was not trained on, with its classes. Boxes are not looked at.
        out: the model file to write; default: the model's own, as a whole. One that comes with freeloc stays as it
            is, and the new one lies in the user's folder, where its name finds it from then on.
        weights: local weight file of the backbone, where it is not the embedded one.
        runtime: who executes the network.
        precision: its arithmetic.
        quiet: show no progress.

    Returns:
        The model as it was written.

    Raises:
        FreelocError: the model was trained on these very images, they have other classes or there are none,
            one cannot be read, or the file cannot be written.
    """
    source = find_model(model)
    target = writable_path(source) if out is None else model_file(out)
    header = ModelFile.open(source).header
    contents = hash_images([sample.path for sample in dataset])
    _check(header, dataset, contents)
    localizer = Localizer.load(source, weights=weights, runtime=runtime, precision=precision)
    scores = _scores(localizer, dataset, quiet=quiet)
    facts = {
        "by": "held-out images",
        "name": dataset.name,
        "data": data_fingerprint(dataset, contents),
        "images": len(dataset),
        "scales": list(header.scales),
    }
    fitted = fit_calibration(scores, dataset.labels, facts)
    made = localizer.model.with_header(calibration=fitted)
    made.save(target)
    if not quiet:
        print_status(_told(fitted, scores, dataset))
        print_status(f"wrote {target}")
    return made


def _check(header: ModelHeader, dataset: Dataset, contents: Sequence[str]) -> None:
    if not len(dataset):
        raise FreelocError(f"{dataset.name} has no images: nothing to calibrate on")
    if dataset.classes != header.classes:
        raise FreelocError(
            f"the model knows the classes {', '.join(header.classes)} but {dataset.name} has "
            f"{', '.join(dataset.classes)}: calibrate on data with the model's classes in the same order"
        )
    trained_on = header.training_data.get("fingerprint")
    if trained_on == data_fingerprint(dataset, contents):
        raise FreelocError(
            f"the model was trained on {dataset.name}, and is surer of these images than of others: give "
            "tagged images that it has not seen, or train with --calibrate 5, which needs no others"
        )


def _scores(localizer: Localizer, dataset: Dataset, *, quiet: bool) -> Float32Array:
    maps = localizer.score_maps_many([sample.path for sample in dataset])
    looked_at = track(maps, "scoring images", len(dataset), quiet=quiet)
    return np.stack([pooled_scores(own, localizer.pooling) for own in looked_at])


def _told(fitted: Calibration, scores: Float32Array, dataset: Dataset) -> str:
    before = calibration_error(sigmoid(scores), dataset.labels)
    after = calibration_error(fitted.probabilities(scores), dataset.labels)
    few = int(((dataset.labels > 0).sum(axis=0) == 0).sum())
    missing = f"; {few} of its classes without a positive" if few else ""
    return (
        f"calibrated on {pluralize(len(dataset), 'image')}{missing}: calibration error {100 * before:.1f}%, "
        f"and {100 * after:.1f}% now (measured on the same images: freeloc evaluate tells it on others)"
    )
