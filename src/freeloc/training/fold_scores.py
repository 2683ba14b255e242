"""Score every image of a dataset by a head that was trained on the others, from cached features.

`freeloc.training.cross_fitting` scores some of the images as in prediction, at all test scales. Here, all
images are scored at the training scales, whose features are cached anyway, so that the scores take little more
than the training of the heads.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from freeloc._typing import Float32Array
from freeloc.datasets.dataset import Dataset
from freeloc.datasets.folds import check_folds, stratified_folds
from freeloc.io.progress import print_status
from freeloc.models.model import Model
from freeloc.training.preparation import load_features, prepare_run, resolve_settings
from freeloc.training.settings import TrainingSettings
from freeloc.training.step import HeadTrainStep
from freeloc.training.train import train
from freeloc.training.trainable_model import TrainableModel
from freeloc.training.validation import score_images

__all__ = ["fold_scores", "scores_at_training_scales"]


def fold_scores(
    dataset: Dataset, settings: TrainingSettings | None = None, *, folds: int = 3, quiet: bool = False
) -> Float32Array:
    """Return the (N, K) scores of N images by heads that were trained without them.

    Args:
        dataset: images and tags; boxes are not read unless the recipe requires them.
        settings: settings of training; None uses the defaults. Features are cached and used again by a training
            with the same backbone, scales and cache.
        folds: number of heads; each is trained on all images but those of one fold.
        quiet: whether to hide progress.

    Raises:
        ConfigurationError: there are fewer than two folds, or fewer images than folds.
        DatasetError: the dataset has no images, or a fold leaves nothing to learn.
        ImageError: an image cannot be read.
    """
    given = settings or TrainingSettings()
    settings = replace(
        given,
        report=False,
        int8=False,
        calibration_folds=0,
        val_split=None,
        snapshots=(),
        cache_features=True,
    )
    check_folds(len(dataset), folds, parameter="folds")
    assigned = stratified_folds(dataset.labels, folds, settings.seed)
    scores = np.empty(dataset.labels.shape, np.float32)
    for fold in range(folds):
        if not quiet:
            print_status(f"fold {fold + 1} of {folds}")
        parts = [
            replace(dataset, samples=tuple(dataset.samples[index] for index in np.flatnonzero(chosen)))
            for chosen in (assigned != fold, assigned == fold)
        ]
        training, held_out = parts
        with TemporaryDirectory() as folder:
            model = train(training, Path(folder) / "fold", settings, quiet=quiet)
        scores[assigned == fold] = scores_at_training_scales(model, held_out, settings, quiet=quiet)
    return scores


def scores_at_training_scales(
    model: Model, dataset: Dataset, settings: TrainingSettings, *, quiet: bool = True
) -> Float32Array:
    """Return the (N, K) scores of images by a model at its recipe's training scales, from cached features.

    Args:
        model: a model that was trained with these settings.
        dataset: the N images.
        settings: the settings.
        quiet: whether to hide the progress of features that are not cached yet.
    """
    prepared = prepare_run(dataset, resolve_settings(dataset, settings))
    maps = load_features(prepared, dataset, prepared.image_info, quiet=quiet)
    trainable = TrainableModel.create(prepared, maps)
    with torch.no_grad():
        for name, weights in model.backbone_changes.items():
            trainable.backbone_weights[name].copy_(weights)
    recipe = prepared.settings.recipe
    step = HeadTrainStep(
        trainable.head_step.projection,
        model.head,
        recipe,
        use_bfloat16=prepared.use_bfloat16,
        device=prepared.device,
    )
    return score_images(step, trainable.features, range(len(dataset)), recipe.scales)
