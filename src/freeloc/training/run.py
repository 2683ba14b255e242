"""A training run: from tagged photographs to a run folder with model, manifest and log."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from freeloc.datasets.sample import Dataset
from freeloc.errors import FreelocError
from freeloc.featurecache import CacheFormat
from freeloc.features import CachedFeatures, FeatureSource, LiveFeatures, content_hashes, extract
from freeloc.geometry import Pyramid
from freeloc.heads import AdaptationHead, HeadSettings
from freeloc.localizer import Localizer
from freeloc.model import Model
from freeloc.photographs import photograph_size
from freeloc.poolings import pooling_of_maps
from freeloc.progress import say
from freeloc.runtime import Network, Precision, Runtime, compile_network, torch_device
from freeloc.training.batches import Source, fitted, mix_seed, plan_epoch, steps_per_epoch
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.device import sharing_cores
from freeloc.training.finetune import FinishedCells, StageLearner, StageMaps
from freeloc.training.folds import calibrated, check_folds, is_calibrated
from freeloc.training.level import extent_level
from freeloc.training.loop import EpochRecord, Pupil, fit, make_optimizer
from freeloc.training.manifest import describe_setup, make_manifest
from freeloc.training.masks import MaskedFeatures, MaskedLearner, check_told
from freeloc.training.recipe import Recipe, named_recipe
from freeloc.training.runfolder import RunFolder
from freeloc.training.snapshots import Snapshots
from freeloc.training.steps import Learner
from freeloc.training.warmstart import calibrate, log_odds, measure_features, train_on_means
from freeloc.trunks import DEFAULT_TRUNK, load_trunk
from freeloc.trunks.base import Division, Trunk
from freeloc.trunks.stages import FROZEN

__all__ = ["train"]

_CALIBRATION_PHOTOGRAPHS = 640


def train(
    dataset: Dataset,
    out: str | Path,
    *,
    trunk: str = DEFAULT_TRUNK,
    weights: str | None = None,
    recipe: Recipe | str = "default",
    seed: int = 0,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    cache: str | Path | None = None,
    no_cache: bool = False,
    cache_format: CacheFormat = "float16",
    snapshots: Sequence[int] = (),
    calibrate: int = 0,
    resume: bool = False,
    quiet: bool = False,
) -> Model:
    """Train a head on tagged photographs.

    The run folder ``out`` then holds ``model.safetensors``, ``manifest.json``, ``log.jsonl`` and
    ``checkpoint.safetensors``. Boxes of the data set, if it has any, are not looked at, unless the recipe's
    supervision says so.

    Args:
        dataset: photographs and labels.
        out: the run folder; must not hold another run unless ``resume``.
        trunk: name of the trunk.
        weights: local weight file of the trunk.
        recipe: a recipe, or the name of one: "default", "paper" or "cam".
        seed: same seed, data and machine type give the same model, bit for bit.
        runtime: who executes the trunk.
        precision: arithmetic of the trunk.
        cache: folder of feature caches; default the user's.
        no_cache: make features on the fly, at scales drawn from a range, and keep none.
        cache_format: how the cache is written: "int8" takes half of the room, at a small loss.
        snapshots: iterations (steps of SGD over the whole run; 0 is before the first) after which the model, as
            it is then, is written to ``snapshots/step-000210.safetensors`` and the like.
        calibrate: how many folds the photographs are dealt into, once the model is trained, to calibrate it by
            heads that did not see them, see `freeloc.training.folds`; each is one more training. 0 leaves equation
            2 of the paper.
        resume: go on from the run folder's checkpoint; a run that is finished is left as it is.
        quiet: show no progress.

    Raises:
        FreelocError: the run folder is taken, or holds a checkpoint of another run, or a photograph or the
            weights cannot be read, or the recipe wants boxes and there are none, or a snapshot is no iteration
            of the run, or there are fewer photographs than folds.
    """
    once = partial(
        _train,
        trunk=trunk,
        weights=weights,
        recipe=named_recipe(recipe) if isinstance(recipe, str) else recipe,
        seed=seed,
        runtime=runtime,
        precision=precision,
        cache=cache,
        no_cache=no_cache,
        cache_format=cache_format,
        quiet=quiet,
    )
    if calibrate:
        check_folds(len(dataset), calibrate)
    model = once(dataset, out, snapshots=snapshots, resume=resume)
    if not calibrate or is_calibrated(model, calibrate):
        return model

    def teach(part: Dataset, folder: Path) -> Model:
        return once(part, folder, snapshots=(), resume=True)

    def ready(part: Model) -> Localizer:
        # Without the hash of a file nobody keeps its graph: it is run once.
        part = replace(part, content=None)
        return Localizer(part, load_trunk(trunk, weights), runtime=runtime, precision=precision)

    run = RunFolder(Path(out), resume=True, quiet=quiet)
    made = calibrated(model, dataset, calibrate, run.folds, teach, ready, seed=seed, quiet=quiet)
    run.finish(made)
    shutil.rmtree(run.folds, ignore_errors=True)
    return made


def _train(
    dataset: Dataset,
    out: str | Path,
    *,
    trunk: str,
    weights: str | None,
    recipe: Recipe,
    seed: int,
    runtime: Runtime,
    precision: Precision,
    cache: str | Path | None,
    no_cache: bool,
    cache_format: CacheFormat,
    snapshots: Sequence[int],
    resume: bool,
    quiet: bool,
) -> Model:
    """`train` without a calibration; its arguments are those."""
    run = RunFolder(Path(out), resume=resume, quiet=quiet)
    if not len(dataset):
        raise FreelocError(f"{dataset.name} has no photographs: nothing to train on")
    if recipe.supervision != "tags":
        check_told(dataset, recipe)
    recipe = fitted(recipe, len(dataset))
    if cache_format not in {"float16", "int8"}:
        raise FreelocError(f"--cache-format {cache_format} is unknown: choose float16 or int8")
    wanted = Snapshots.of(
        run.snapshots, snapshots, epochs=recipe.epochs, per_epoch=steps_per_epoch(len(dataset), recipe)
    )
    started = time.monotonic()
    whole = load_trunk(trunk, weights)
    parts = _divided(whole, recipe)
    network = compile_network(parts.below, runtime=runtime, precision=precision, streams=True)
    device, low_precision = torch_device(precision, runtime)
    kept_as = None if no_cache else cache_format
    contents = content_hashes([sample.path for sample in dataset])
    setup = describe_setup(
        dataset,
        contents,
        whole,
        network,
        recipe,
        low_precision=low_precision,
        cache=kept_as,
        seed=seed,
    )
    finished = run.finished(setup)
    if finished is not None:
        wanted.check_kept(wanted.last)
        return finished
    checkpoint = run.open(setup)
    if checkpoint is not None:
        wanted.check_kept(checkpoint.epochs_done * wanted.per_epoch)
    features = _features(dataset, contents, parts.below, network, recipe, cache, kept_as, quiet=quiet)
    extracted = time.monotonic()

    head = _new_head(whole, dataset, recipe, seed).to(device)
    lesson = _lesson(parts, features, head, dataset, recipe, device, low_precision=low_precision)
    # Where the trunk runs all the while and the head is all that is trained, the trunk has most to do.
    trunk_first = no_cache and parts.above is None and device.type == "cpu"

    def model(iteration: int | None = None) -> Model:
        timings = {
            "features_seconds": round(extracted - started, 2),
            "training_seconds": round(time.monotonic() - extracted, 2),
        }
        resumed = checkpoint is not None

        def manifest(changed: Trunk) -> dict[str, Any]:
            return make_manifest(setup, dataset, changed, timings, resumed=resumed, iteration=iteration)

        return _model(whole, parts, head, dataset, recipe, manifest)

    def keep(iteration: int) -> None:
        wanted.keep(iteration, lambda: model(iteration), quiet=quiet)

    with sharing_cores(network.threads) if trunk_first else nullcontext():
        _teach(lesson, head, parts, dataset, recipe, run, checkpoint, setup, seed, keep, quiet=quiet)
    level = extent_level(lesson.learner, lesson.cells, dataset, whole.layout, recipe)
    made = replace(model(), level=level)
    run.finish(made)
    return made


def _model(
    trunk: Trunk,
    parts: Division,
    head: AdaptationHead,
    dataset: Dataset,
    recipe: Recipe,
    manifest: Callable[[Trunk], dict[str, Any]],
) -> Model:
    """What head and trained weights are now, as a model; ``manifest`` is asked with the trunk as it is now."""
    changes = {key: value.detach().cpu().clone() for key, value in parts.trained.items()}
    changed = trunk.with_weights(changes) if changes else trunk
    return Model(
        trunk=trunk.name,
        trunk_fingerprint=changed.fingerprint,
        classes=dataset.classes,
        head=head.folded(),
        scales=recipe.test_scales,
        padding=recipe.padding,
        pooling=pooling_of_maps(recipe.pooling),
        layout=trunk.layout,
        fill=trunk.fill,
        manifest=manifest(changed),
        trunk_base=trunk.fingerprint if changes else "",
        trunk_changes=changes,
    )


def _divided(trunk: Trunk, recipe: Recipe) -> Division:
    """What of the trunk stays fixed, and what is trained."""
    if recipe.trainable_trunk == FROZEN:
        return Division(trunk, None, trunk.projection, {})
    return trunk.divided(recipe.trainable_trunk)


@dataclass(frozen=True, eq=False)
class _Lesson:
    """Who learns from what.

    Attributes:
        source: what every step reads.
        pupil: what learns from it.
        cells: features as the trunk makes them by now: for the warm start, and for what is measured at the end.
        learner: computes the loss of cells.
    """

    source: Source[Any]
    pupil: Pupil[Any]
    cells: FeatureSource
    learner: Learner


def _lesson(
    parts: Division,
    features: CachedFeatures | LiveFeatures,
    head: AdaptationHead,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
    *,
    low_precision: bool,
) -> _Lesson:
    learner = Learner(parts.projection, head, recipe, low_precision=low_precision, device=device)
    if recipe.supervision != "tags":
        sizes = [photograph_size(sample.path) for sample in dataset]
        masked = MaskedFeatures(features, dataset, sizes, parts.below.layout, recipe.padding)
        outside = recipe.supervision == "masked_outside"
        return _Lesson(masked, MaskedLearner(learner, push_outside=outside, device=device), features, learner)
    if parts.above is None:
        return _Lesson(features, learner, features, learner)
    paths = [sample.path for sample in dataset]
    maps = StageMaps(features, paths, parts.below.layout, recipe.padding)
    pupil = StageLearner(parts.above, learner, low_precision=low_precision, device=device)
    cells = FinishedCells(maps, parts.above, low_precision=low_precision, device=device)
    return _Lesson(maps, pupil, cells, learner)


def _teach(
    lesson: _Lesson,
    head: AdaptationHead,
    parts: Division,
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
    elif recipe.warm_epochs:
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
    trunk: Trunk,
    network: Network,
    recipe: Recipe,
    cache: str | Path | None,
    kept_as: CacheFormat | None,
    *,
    quiet: bool,
) -> CachedFeatures | LiveFeatures:
    paths = [sample.path for sample in dataset]
    if kept_as is None:
        return LiveFeatures(paths, trunk, network, recipe.padding)
    root = Path(cache) if cache else None
    pyramid = Pyramid(recipe.scales, recipe.padding)
    return extract(paths, trunk, network, pyramid, contents=contents, root=root, form=kept_as, quiet=quiet)


def _new_head(trunk: Trunk, dataset: Dataset, recipe: Recipe, seed: int) -> AdaptationHead:
    settings = HeadSettings(
        width=trunk.width,
        classes=len(dataset.classes),
        hidden=recipe.hidden,
        feature_dropout=recipe.feature_dropout,
        hidden_dropout=recipe.hidden_dropout,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        return AdaptationHead(settings, standardized=recipe.warm_epochs > 0)


def _start_warm(
    lesson: _Lesson,
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
    loss = train_on_means(head, statistics, labels, recipe, seed=mix_seed(seed, 0, 2))
    # A mean of cells is what the head was trained on just now; any other pooling lies above it.
    if recipe.pooling not in {"average", "full"}:
        die = torch.Generator().manual_seed(mix_seed(seed, 0, 3))
        plan = plan_epoch(len(source), recipe, source.scales, die)
        enough = -(-_CALIBRATION_PHOTOGRAPHS // recipe.batch_size)
        calibrate(head, lesson.learner, source, labels, plan[:enough])
    if not quiet:
        say(f"warm start on full photographs: loss {loss:.4f}")
