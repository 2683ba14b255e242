"""Forecast how long a run will take on this computer, from a measured sample of its work."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import torch

from freeloc.features.arrays import FeatureMap
from freeloc.features.sources import FeatureSource
from freeloc.io.stages import describe_seconds
from freeloc.training.batches import Batch, stream
from freeloc.training.preparation import PreparedRun, load_features, missing_features
from freeloc.training.trainable_model import TrainableModel
from freeloc.training.validation import score_images

__all__ = ["Forecast", "forecast"]

_WARM_UP: Final = 2
_SAMPLE: Final = 10
"""Numbers of images whose features are extracted first: some that warm up the network, and some that are timed."""

_STEPS: Final = 3
"""Number of timed training steps, after as many at the same scales that are not timed: first ones take longer."""

_PREDICTION: Final = 4.0
"""Duration of predicting an image at all test scales, relative to extracting its features for training."""

_UNKNOWN_PREDICTION: Final = 0.5
"""Duration of predicting an image, in seconds, if all features are cached, so that nothing was measured."""

_CONVERSION: Final = 30.0
"""Duration of creating an int8 network, in seconds, apart from predicting the images for calibration."""

_LOADING: Final = 5.0
"""Duration of loading a model for the report, in seconds."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expected durations of the stages of a run, in seconds.

    Attributes:
        features: extraction of the features that are not cached.
        training: all epochs, with their validations.
        calibration: calibration by folds; 0 without it.
        int8: creation of an int8 network; 0 without it.
        report: the page about the model; 0 without it.
        evaluation: prediction of other images after training, as in the demo; 0 without it.
    """

    features: float
    training: float
    calibration: float = 0.0
    int8: float = 0.0
    report: float = 0.0
    evaluation: float = 0.0

    def __str__(self) -> str:
        seconds = asdict(self)
        shown = [f"{name} {describe_seconds(part)}" for name, part in seconds.items() if part >= 1]
        details = f" ({', '.join(shown)})" if len(shown) > 1 else ""
        return f"about {describe_seconds(sum(seconds.values()))} here{details}"


def forecast(
    run: PreparedRun,
    *,
    epochs_done: int = 0,
    folds: int = 0,
    max_scored: int = 0,
    quantized: int = 0,
    reported: int = 0,
    evaluated: int = 0,
) -> Forecast:
    """Forecast a run. The features that are extracted for this purpose stay cached; no weight is changed.

    Args:
        run: the prepared run.
        epochs_done: number of epochs that are already done.
        folds: number of folds for calibration.
        max_scored: maximum number of images that are scored for calibration.
        quantized: number of images for quantization calibration; 0 without an int8 network.
        reported: number of images that are predicted for the report; 0 if there is none.
        evaluated: number of other images that are predicted after training.

    Raises:
        ImageError: an image cannot be read.
        OutputError: the cache cannot be written.
    """
    count, recipe = len(run.dataset), run.settings.recipe
    missing = missing_features(run, run.image_info)
    validation = run.validation
    missing_in_validation = 0 if validation is None else len(missing_features(run, validation.image_info))
    # Evenly spaced, because neighboring images often have the same size.
    spaced = missing[:: max(1, len(missing) // (_WARM_UP + _SAMPLE))]
    warm_up, sample = spaced[:_WARM_UP], spaced[_WARM_UP : _WARM_UP + _SAMPLE]
    per_image = _time_extraction(run, warm_up, sample)
    left = len(missing) - len(warm_up) - len(sample) + missing_in_validation
    unknown = set(missing) - {*warm_up, *sample}
    known = [index for index in range(count) if index not in unknown]
    chosen = known[:: max(1, len(known) // recipe.batch_size)][: recipe.batch_size]
    per_step, per_score = _time_training(*_part(run, chosen))
    per_step *= recipe.batch_size / len(chosen)
    epochs = recipe.epochs - epochs_done
    per_epoch = per_step * recipe.steps_per_epoch(count)
    validated = 0 if validation is None else len(validation.dataset)
    # The warm start and the box threshold each score the training images about once.
    training = epochs * (per_epoch + validated * per_score) + 2 * min(count, 1000) * per_score
    per_prediction = per_image * _PREDICTION if per_image else _UNKNOWN_PREDICTION
    calibration = 0.0
    if folds:
        scored = min(count, max_scored) * per_prediction
        calibration = recipe.epochs * (per_epoch * (folds - 1) + validated * per_score * folds) + scored
    int8 = _CONVERSION + min(count, quantized) * per_prediction if quantized else 0.0
    report = _LOADING + reported * per_prediction if reported else 0.0
    evaluation = _LOADING + evaluated * per_prediction if evaluated else 0.0
    return Forecast(per_image * max(0, left), training, calibration, int8, report, evaluation)


def _part(run: PreparedRun, indices: Sequence[int]) -> tuple[PreparedRun, FeatureSource[FeatureMap]]:
    """Return the run restricted to some images, and the maps of these images."""
    samples = tuple(run.dataset.samples[index] for index in indices)
    part = replace(
        run,
        dataset=replace(run.dataset, samples=samples),
        image_info=tuple(run.image_info[index] for index in indices),
    )
    return part, load_features(part, part.dataset, part.image_info, quiet=True)


def _time_extraction(run: PreparedRun, warm_up: Sequence[int], sample: Sequence[int]) -> float:
    """Extract features, and return the duration per image in ``sample``; 0 if it is empty."""
    if warm_up:
        _part(run, warm_up)
    if not sample:
        return 0.0
    started = time.monotonic()
    _part(run, sample)
    return (time.monotonic() - started) / len(sample)


def _time_training(part: PreparedRun, maps: FeatureSource[FeatureMap]) -> tuple[float, float]:
    """Return the durations of a training step with all images of ``part``, and of scoring one of them."""
    recipe, count = part.settings.recipe, len(part.dataset)
    trainable = TrainableModel.create(part, maps)
    # The steps must not change the weights that are trained.
    step, head_step = copy.deepcopy((trainable.step, trainable.head_step))
    labels = torch.from_numpy(part.dataset.labels.copy())
    generator = torch.Generator(part.device).manual_seed(0)
    scales = sorted(recipe.scales)
    plan = [Batch(tuple(range(count)), scales[k % len(scales)]) for k in range(_STEPS)] * 2
    started = time.monotonic()
    for position, (_, items) in enumerate(stream(trainable.source, plan)):
        float(step.backward(items, labels, generator))
        if position == _STEPS - 1:
            started = time.monotonic()
    per_step = (time.monotonic() - started) / _STEPS
    scored = range(min(count, 4))
    started = time.monotonic()
    score_images(head_step, trainable.features, scored, recipe.scales)
    return per_step, (time.monotonic() - started) / len(scored)
