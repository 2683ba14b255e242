"""A training run: from tagged photographs to a run folder with model, manifest and log."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from freeloc.atomic import write_text
from freeloc.datasets.sample import PRESENT, Dataset
from freeloc.errors import FreelocError
from freeloc.featurecache import CacheFormat
from freeloc.features import CachedFeatures, FeatureSource, LiveFeatures, extract
from freeloc.geometry import Pyramid
from freeloc.heads import AdaptationHead, HeadSettings
from freeloc.model import Model
from freeloc.progress import say
from freeloc.runtime import Network, Precision, Runtime, compile_network, native_bfloat16
from freeloc.training.batches import Source, mix_seed, plan_epoch
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.device import sharing_cores
from freeloc.training.finetune import FinishedCells, StageLearner, StageMaps
from freeloc.training.loop import EpochRecord, Pupil, fit, make_optimizer
from freeloc.training.recipe import Recipe
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
    recipe: Recipe | None = None,
    seed: int = 0,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    cache: str | Path | None = None,
    no_cache: bool = False,
    cache_format: CacheFormat = "float16",
    resume: bool = False,
    quiet: bool = False,
) -> Model:
    """Train a head on tagged photographs.

    The run folder ``out`` then holds ``model.safetensors``, ``manifest.json``, ``log.jsonl`` and
    ``checkpoint.safetensors``. Boxes of the data set, if it has any, are not looked at.

    Args:
        dataset: photographs and labels.
        out: the run folder; must not hold another run unless ``resume``.
        trunk: name of the trunk.
        weights: local weight file of the trunk.
        recipe: default: freeloc's own.
        seed: same seed, data and machine type give the same model, bit for bit.
        runtime: who executes the trunk.
        precision: arithmetic of the trunk.
        cache: folder of feature caches; default the user's.
        no_cache: make features on the fly, at scales drawn from a range, and keep none.
        cache_format: how the cache is written: "int8" takes half of the room, at a small loss.
        resume: go on from the run folder's checkpoint.
        quiet: show no progress.

    Raises:
        FreelocError: the run folder is taken, or holds a checkpoint of another run, or a photograph or the
            weights cannot be read.
    """
    run = _Run(Path(out), resume=resume, quiet=quiet)
    recipe = recipe or Recipe()
    if not len(dataset):
        raise FreelocError(f"{dataset.name} has no photographs: nothing to train on")
    started = time.monotonic()
    network_trunk = load_trunk(trunk, weights)
    stage = recipe.trainable_trunk
    parts = Division(network_trunk, None, network_trunk.projection, {})
    if stage != FROZEN:
        parts = network_trunk.divided(stage)
    network = compile_network(parts.below, runtime=runtime, precision=precision, streams=True)
    if cache_format not in {"float16", "int8"}:
        raise FreelocError(f"--cache-format {cache_format} is unknown: choose float16 or int8")
    kept_as = None if no_cache else cache_format
    setup = _setup(dataset, network_trunk, network, recipe, seed, kept_as)
    checkpoint = run.open(setup)
    features = _features(dataset, parts.below, network, recipe, cache, kept_as, quiet=quiet)
    extracted = time.monotonic()

    device = torch.device("cuda" if torch.cuda.is_available() and runtime != "openvino" else "cpu")
    head = _new_head(network_trunk, dataset, recipe, seed).to(device)
    low_precision = native_bfloat16(device.type)
    learner = Learner(parts.projection, head, recipe, low_precision=low_precision, device=device)
    optimizer = make_optimizer(head, recipe, parts.trained)
    lesson = _lesson(parts, features, learner, dataset, recipe, device)

    def after_epoch(record: EpochRecord) -> None:
        run.log(record)
        Checkpoint.of(record.epoch, head, optimizer, setup, parts.trained).save(run.checkpoint)

    # Where the trunk runs all the while and the head is all that is trained, the trunk has most to do.
    trunk_first = no_cache and parts.above is None and device.type == "cpu"
    with sharing_cores(network.threads) if trunk_first else nullcontext():
        if checkpoint is not None:
            checkpoint.restore(head, optimizer, parts.trained)
        elif recipe.warm_epochs:
            _start_warm(lesson.cells, dataset, network_trunk, head, learner, recipe, seed, quiet=quiet)
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
            quiet=quiet,
        )
    timings = {
        "features_seconds": round(extracted - started, 2),
        "training_seconds": round(time.monotonic() - extracted, 2),
    }
    changes = {key: value.detach().cpu().clone() for key, value in parts.trained.items()}
    changed = network_trunk.with_weights(changes) if changes else network_trunk
    model = Model(
        trunk=network_trunk.name,
        trunk_fingerprint=changed.fingerprint,
        classes=dataset.classes,
        head=head.cpu().folded(),
        scales=recipe.test_scales,
        padding=recipe.padding,
        pooling=recipe.pooling,
        layout=network_trunk.layout,
        fill=network_trunk.fill,
        manifest=_manifest(setup, dataset, changed, timings, resumed=checkpoint is not None),
        trunk_base=network_trunk.fingerprint if changes else "",
        trunk_changes=changes,
    )
    run.finish(model)
    return model


@dataclass(frozen=True, eq=False)
class _Lesson:
    """Who learns from what.

    Attributes:
        source: what every step reads.
        pupil: what learns from it.
        cells: features as they are before training, for the warm start.
    """

    source: Source[Any]
    pupil: Pupil[Any]
    cells: FeatureSource


def _lesson(
    parts: Division,
    features: CachedFeatures | LiveFeatures,
    learner: Learner,
    dataset: Dataset,
    recipe: Recipe,
    device: torch.device,
) -> _Lesson:
    if parts.above is None:
        return _Lesson(features, learner, features)
    low_precision = native_bfloat16(device.type)
    paths = [sample.path for sample in dataset]
    maps = StageMaps(features, paths, parts.below.layout, recipe.padding)
    pupil = StageLearner(
        parts.above, learner, low_precision=low_precision, device=device, together=device.type != "cpu"
    )
    cells = FinishedCells(maps, parts.above, low_precision=low_precision, device=device)
    return _Lesson(maps, pupil, cells)


class _Run:
    """The run folder."""

    def __init__(self, folder: Path, *, resume: bool, quiet: bool) -> None:
        self.folder = folder
        self.model = folder / "model.safetensors"
        self.checkpoint = folder / "checkpoint.safetensors"
        self._log = folder / "log.jsonl"
        self._resume = resume
        self._quiet = quiet
        taken = [path.name for path in (self.model, self.checkpoint) if path.exists()]
        if taken and not resume:
            raise FreelocError(
                f"{folder} holds a run already ({', '.join(taken)}): go on with --resume or choose another --out"
            )

    def open(self, setup: dict[str, Any]) -> Checkpoint | None:
        """Make the folder; give the checkpoint to go on from, if there is one and it belongs to this run."""
        checkpoint = None
        if self._resume and self.checkpoint.exists():
            checkpoint = Checkpoint.load(self.checkpoint)
            changed = sorted(key for key in setup if checkpoint.setup.get(key) != setup[key])
            if changed:
                raise FreelocError(
                    f"the checkpoint in {self.folder} was made with another {' and '.join(changed)}: "
                    "give the same options and data as then, or train into another --out"
                )
        kept = checkpoint.epochs_done if checkpoint else 0
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        # A run stopped between log and checkpoint has logged an epoch that will be trained again.
        write_text(self._log, "".join(f"{line}\n" for line in lines[:kept]))
        return checkpoint

    def log(self, record: EpochRecord) -> None:
        """Add one line to the log."""
        with self._log.open("a") as file:
            file.write(json.dumps(asdict(record)) + "\n")
        if not self._quiet:
            say(f"epoch {record.epoch}: loss {record.loss:.4f}, {record.seconds:.1f} s")

    def finish(self, model: Model) -> None:
        """Write model and manifest, and say where they are."""
        model.save(self.model)
        write_text(self.folder / "manifest.json", json.dumps(model.manifest, indent=2) + "\n")
        if not self._quiet:
            say(f"wrote {self.model}")


def _features(
    dataset: Dataset,
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
    return extract(paths, trunk, network, pyramid, root=root, form=kept_as, quiet=quiet)


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
    source: FeatureSource,
    dataset: Dataset,
    trunk: Trunk,
    head: AdaptationHead,
    learner: Learner,
    recipe: Recipe,
    seed: int,
    *,
    quiet: bool,
) -> None:
    device = next(head.parameters()).device
    labels = torch.from_numpy(dataset.labels.copy())
    statistics = measure_features(source, trunk.projection.to(device), device=device, quiet=quiet)
    head.set_standardization(statistics.mean, statistics.gain)
    with torch.no_grad():
        head.fcb.bias.copy_(log_odds(labels))
    loss = train_on_means(head, statistics, labels, recipe, seed=mix_seed(seed, 0, 2))
    if recipe.pooling == "max":
        die = torch.Generator().manual_seed(mix_seed(seed, 0, 3))
        plan = plan_epoch(len(source), recipe, source.scales, die)
        enough = -(-_CALIBRATION_PHOTOGRAPHS // recipe.batch_size)
        calibrate(head, learner, source, labels, plan[:enough])
    if not quiet:
        say(f"warm start on full photographs: loss {loss:.4f}")


def _setup(
    dataset: Dataset,
    trunk: Trunk,
    network: Network,
    recipe: Recipe,
    seed: int,
    kept_as: CacheFormat | None,
) -> dict[str, Any]:
    """What decides the weights, as plain JSON."""
    setup: dict[str, Any] = {
        "recipe": asdict(recipe),
        "data": dataset.fingerprint,
        "trunk": trunk.fingerprint,
        "precision": f"{network.runtime} {network.precision}",
        "seed": seed,
        "cached": kept_as is not None,
    }
    if kept_as is not None:
        setup["cache_format"] = kept_as
    plain: dict[str, Any] = json.loads(json.dumps(setup))
    return plain


def _manifest(
    setup: Mapping[str, Any], dataset: Dataset, trunk: Trunk, timings: Mapping[str, float], *, resumed: bool
) -> dict[str, Any]:
    positives = (dataset.labels == PRESENT).sum(axis=0).tolist()
    return {
        **setup,
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "photographs": len(dataset),
            "skipped": dataset.skipped,
            "positives": dict(zip(dataset.classes, positives, strict=True)),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("freeloc", "torch", "openvino", "numpy")},
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "threads": torch.get_num_threads(),
        },
        # Differs from "trunk", with which training began, where the trunk was trained as well.
        "trained_trunk": trunk.fingerprint,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed": resumed,
        "timings": dict(timings),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from a source tree, say
        return "not installed"
