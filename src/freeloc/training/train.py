"""A training run: from tagged images to a run folder with model, manifest and log."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from freeloc.datasets.dataset import Dataset
from freeloc.errors import DatasetError
from freeloc.features.arrays import Cells, FeatureMap
from freeloc.features.extract import extract
from freeloc.features.sources import FeatureSource, LiveFeatures, cell_source
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import read_image_size
from freeloc.images.hashing import hash_images
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.io.progress import print_status
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone, BackboneSplit
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.backbones.trainable_stages import FROZEN
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.pooling.registry import get_pooling, prediction_pooling
from freeloc.runtime import Network, compile_network, torch_device
from freeloc.training.batches import derive_seed, plan_epoch
from freeloc.training.box_threshold import fit_box_threshold
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.cross_fitting import calibrated, check_folds, is_calibrated
from freeloc.training.device import sharing_cores
from freeloc.training.finetune import StageTrainStep, stage_features, stage_inputs
from freeloc.training.loop import BatchTrainer, EpochRecord, fit, make_optimizer
from freeloc.training.manifest import describe_setup, make_manifest
from freeloc.training.masked_pooling import MaskedTrainStep, check_supervision, masked_cells
from freeloc.training.recipe import Recipe
from freeloc.training.run_folder import RunFolder
from freeloc.training.settings import TrainingSettings
from freeloc.training.snapshots import Snapshots
from freeloc.training.step import TrainStep
from freeloc.training.warm_start import calibrate, log_odds, measure_features, train_on_means

__all__ = ["train"]

_CALIBRATION_IMAGES = 640


def train(
    dataset: Dataset,
    out: str | Path,
    settings: TrainingSettings | None = None,
    *,
    resume: bool = False,
    quiet: bool = False,
) -> Model:
    """Train a model on tagged images.

    The run folder ``out`` then contains ``model.safetensors``, ``manifest.json``, ``log.jsonl`` and
    ``checkpoint.safetensors``. Boxes of the dataset are read only if the recipe's supervision requires them.

    Args:
        dataset: images and labels.
        out: the run folder; must not contain another run unless ``resume``.
        settings: everything else; None for the defaults.
        resume: continue from the run folder's checkpoint; a finished run is left as it is.
        quiet: show no progress.

    Returns:
        The trained model.

    Raises:
        TrainingError: the run folder contains a run, or the checkpoint of another run.
        FreelocError: an image or the weights cannot be read, the recipe requires boxes and the dataset has none,
            a snapshot's step is not part of the run, or there are fewer images than folds.
    """
    settings = settings or TrainingSettings()
    folds = settings.calibration_folds
    if folds:
        check_folds(len(dataset), folds)
    model = _train(dataset, out, settings, resume=resume, quiet=quiet)
    if not folds or is_calibrated(model, folds):
        return model
    fold_settings = replace(settings, snapshots=(), calibration_folds=0)

    def train_fold(part: Dataset, folder: Path) -> Model:
        return _train(part, folder, fold_settings, resume=True, quiet=quiet)

    def ready(part: Model) -> Localizer:
        # Without the hash of a file nobody keeps its graph: it is run once.
        part = replace(part, content_hash=None)
        backbone = load_backbone(settings.backbone, settings.weights)
        options = LocalizerOptions(runtime=settings.runtime, precision=settings.precision)
        return Localizer.from_model(part, backbone, options)

    run = RunFolder(Path(out), resume=True, quiet=quiet)
    made = calibrated(model, dataset, folds, run.folds, train_fold, ready, seed=settings.seed, quiet=quiet)
    run.finish(made)
    shutil.rmtree(run.folds, ignore_errors=True)
    return made


def _train(
    dataset: Dataset, out: str | Path, settings: TrainingSettings, *, resume: bool, quiet: bool
) -> Model:
    """`train` without the calibration."""
    run = RunFolder(Path(out), resume=resume, quiet=quiet)
    if not len(dataset):
        raise DatasetError(f"{dataset.name} has no images: nothing to train on")
    if settings.recipe.supervision != "tags":
        check_supervision(dataset, settings.recipe)
    recipe = settings.recipe.resolved(len(dataset))
    wanted = Snapshots.of(
        run.snapshots,
        settings.snapshots,
        epochs=recipe.epochs,
        per_epoch=recipe.steps_per_epoch(len(dataset)),
    )
    started = time.monotonic()
    whole = load_backbone(settings.backbone, settings.weights)
    parts = _divided(whole, recipe)
    network = compile_network(
        parts.below, runtime=settings.runtime, precision=settings.precision, streams=True
    )
    device, low_precision = torch_device(settings.precision, settings.runtime)
    contents = hash_images([sample.path for sample in dataset])
    setup = describe_setup(
        dataset,
        contents,
        whole,
        network,
        recipe,
        low_precision=low_precision,
        cache=settings.stored_format,
        seed=settings.seed,
    )
    finished = run.finished(setup)
    if finished is not None:
        wanted.check_kept(wanted.last)
        return finished
    checkpoint = run.open(setup)
    if checkpoint is not None:
        wanted.check_kept(checkpoint.epochs_done * wanted.per_epoch)
    features = _features(dataset, contents, parts.below, network, recipe, settings, quiet=quiet)
    extracted = time.monotonic()

    head = _new_head(whole, dataset, recipe, settings.seed).to(device)
    lesson = _training_setup(parts, features, head, dataset, recipe, device, low_precision=low_precision)
    # Where the backbone runs all the while and the head is all that is trained, the backbone has most to do.
    backbone_first = not settings.cache_features and parts.above is None and device.type == "cpu"

    def model(iteration: int | None = None) -> Model:
        timings = {
            "features_seconds": round(extracted - started, 2),
            "training_seconds": round(time.monotonic() - extracted, 2),
        }
        resumed = checkpoint is not None

        def manifest(changed: Backbone) -> dict[str, Any]:
            return make_manifest(setup, dataset, changed, timings, resumed=resumed, iteration=iteration)

        return _model(whole, parts, head, dataset, recipe, manifest)

    def keep(iteration: int) -> None:
        wanted.keep(iteration, lambda: model(iteration), quiet=quiet)

    with sharing_cores(network.threads) if backbone_first else nullcontext():
        _run_training(
            lesson, head, parts, dataset, recipe, run, checkpoint, setup, settings.seed, keep, quiet=quiet
        )
    box_threshold = fit_box_threshold(lesson.learner, lesson.cells, dataset, whole.layout, recipe)
    made = model().with_header(box_threshold=box_threshold)
    run.finish(made)
    return made


def _model(
    backbone: Backbone,
    parts: BackboneSplit,
    head: AdaptationHead,
    dataset: Dataset,
    recipe: Recipe,
    manifest: Callable[[Backbone], dict[str, Any]],
) -> Model:
    """What head and trained weights are now, as a model; ``manifest`` is asked with the backbone as it is now."""
    changes = {key: value.detach().cpu().clone() for key, value in parts.trained.items()}
    changed = backbone.with_weights(changes) if changes else backbone
    header = ModelHeader(
        backbone=backbone.name,
        backbone_fingerprint=changed.fingerprint,
        backbone_base=backbone.fingerprint if changes else None,
        classes=dataset.classes,
        head=head.settings,
        scales=recipe.test_scales,
        padding=recipe.padding,
        pooling=prediction_pooling(recipe.pooling),
        layout=backbone.layout,
        pad_color=backbone.pad_color,
        manifest=manifest(changed),
    )
    return Model(header, head.folded(), changes)


def _divided(backbone: Backbone, recipe: Recipe) -> BackboneSplit:
    """What of the backbone stays fixed, and what is trained."""
    if recipe.trainable_backbone == FROZEN:
        return BackboneSplit(backbone, None, backbone.projection, {})
    return backbone.split_at(recipe.trainable_backbone)


@dataclass(frozen=True, eq=False)
class _TrainingSetup:
    """Who learns from what.

    Attributes:
        source: what every step reads.
        pupil: what learns from it.
        cells: features as the backbone makes them by now: for the warm start, and for what is measured at the end.
        learner: computes the loss of cells.
    """

    source: FeatureSource[Any]
    pupil: BatchTrainer[Any]
    cells: FeatureSource[Cells]
    learner: TrainStep


def _training_setup(
    parts: BackboneSplit,
    features: FeatureSource[FeatureMap],
    head: AdaptationHead,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    *,
    low_precision: bool,
) -> _TrainingSetup:
    learner = TrainStep(parts.projection, head, recipe, low_precision=low_precision, device=device)
    if recipe.supervision != "tags":
        sizes = [read_image_size(sample.path) for sample in dataset]
        cells = cell_source(features)
        masked = masked_cells(cells, dataset, sizes, parts.below.layout, recipe.padding)
        outside = recipe.supervision == "masked_outside"
        return _TrainingSetup(
            masked, MaskedTrainStep(learner, push_outside=outside, device=device), cells, learner
        )
    if parts.above is None:
        cells = cell_source(features)
        return _TrainingSetup(cells, learner, cells, learner)
    paths = [sample.path for sample in dataset]
    inputs = stage_inputs(features, paths, parts.below.layout, recipe.padding)
    pupil = StageTrainStep(parts.above, learner, low_precision=low_precision, device=device)
    cells = stage_features(inputs, parts.above, low_precision=low_precision, device=device)
    return _TrainingSetup(inputs, pupil, cells, learner)


def _run_training(
    lesson: _TrainingSetup,
    head: AdaptationHead,
    parts: BackboneSplit,
    dataset: Dataset,
    recipe: Recipe,
    run: RunFolder,
    checkpoint: Checkpoint | None,
    setup: Mapping[str, Any],
    seed: int,
    after_step: Callable[[int], None],
    *,
    quiet: bool,
) -> None:
    """From the warm start or the checkpoint to the end, with a line of the log and a checkpoint each epoch."""
    optimizer = make_optimizer(head, recipe, parts.trained)

    def after_epoch(record: EpochRecord) -> None:
        run.log(record)
        Checkpoint.of(record.epoch, head, optimizer, setup, parts.trained).save(run.checkpoint)

    if checkpoint is not None:
        checkpoint.restore(head, optimizer, parts.trained)
    elif recipe.warm_start_epochs:
        _start_warm(lesson, dataset, parts.projection, head, recipe, seed, quiet=quiet)
    if checkpoint is None:
        after_step(0)
    fit(
        lesson.source,
        dataset.labels,
        head,
        lesson.pupil,
        optimizer,
        recipe,
        seed=seed,
        first_epoch=checkpoint.epochs_done if checkpoint else 0,
        after_epoch=after_epoch,
        after_step=after_step,
        quiet=quiet,
    )


def _features(
    dataset: Dataset,
    contents: Sequence[str],
    backbone: Backbone,
    network: Network,
    recipe: Recipe,
    settings: TrainingSettings,
    *,
    quiet: bool,
) -> FeatureSource[FeatureMap]:
    paths = [sample.path for sample in dataset]
    if settings.stored_format is None:
        return LiveFeatures(paths, backbone, network, recipe.padding)
    pyramid = Pyramid(recipe.scales, recipe.padding)
    return extract(
        paths,
        backbone,
        network,
        pyramid,
        content_hashes=contents,
        cache_folder=settings.cache_folder,
        cache_format=settings.stored_format,
        quiet=quiet,
    )


def _new_head(backbone: Backbone, dataset: Dataset, recipe: Recipe, seed: int) -> AdaptationHead:
    settings = HeadSettings(
        width=backbone.width,
        classes=len(dataset.classes),
        hidden=recipe.hidden,
        feature_dropout=recipe.feature_dropout,
        hidden_dropout=recipe.hidden_dropout,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        return AdaptationHead(settings, standardized=recipe.warm_start_epochs > 0)


def _start_warm(
    lesson: _TrainingSetup,
    dataset: Dataset,
    projection: nn.Module,
    head: AdaptationHead,
    recipe: Recipe,
    seed: int,
    *,
    quiet: bool,
) -> None:
    device = next(head.parameters()).device
    labels = torch.from_numpy(dataset.labels.copy())
    source = lesson.cells
    statistics = measure_features(source, projection, device=device, quiet=quiet)
    head.set_standardization(statistics.mean, statistics.gain)
    with torch.no_grad():
        head.fcb.bias.copy_(log_odds(labels))
    loss = train_on_means(head, statistics, labels, recipe, seed=derive_seed(seed, 0, 2))
    # The head was trained on means of cells just now; any other pooling gives higher scores.
    if not get_pooling(recipe.pooling).is_mean:
        generator = torch.Generator().manual_seed(derive_seed(seed, 0, 3))
        plan = plan_epoch(len(source), recipe, source.scales, generator)
        enough = -(-_CALIBRATION_IMAGES // recipe.batch_size)
        calibrate(head, lesson.learner, source, labels, plan[:enough])
    if not quiet:
        print_status(f"warm start on full images: loss {loss:.4f}")
