"""Train a model on tagged images, and write the model, its manifest and the log to a run folder.

`train` prepares a run, resumes it if requested, extracts the features, and passes them to a `TrainingRun`. The
`TrainingRun` performs the warm start and the training steps (`freeloc.training.trainer.Trainer`,
`freeloc.training.step.HeadTrainStep`) and writes the model.
"""

from __future__ import annotations

import shutil
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from freeloc._validation import check_arguments
from freeloc.datasets.dataset import Dataset
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.io.atomic import check_output_folder
from freeloc.io.folders import expand_user
from freeloc.io.lock import lock_file
from freeloc.io.progress import print_status
from freeloc.models.file_access import check_content, content_hash
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.pooling.registry import prediction_pooling
from freeloc.training.box_threshold import fit_box_threshold
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.cross_fitting import calibrate_by_folds, check_folds, is_calibrated_by_folds
from freeloc.training.device import share_cores
from freeloc.training.divergence import check_model
from freeloc.training.manifest import make_manifest
from freeloc.training.preparation import PreparedRun, load_features, prepare_run, resolve_settings
from freeloc.training.resume import ResumeState, find_resume_state
from freeloc.training.run_folder import RunFolder
from freeloc.training.settings import TrainingSettings
from freeloc.training.snapshots import Snapshots
from freeloc.training.trainable_model import TrainableModel
from freeloc.training.trainer import EpochRecord, Trainer
from freeloc.training.warm_start import warm_start

__all__ = ["train"]


@check_arguments
def train(
    dataset: Dataset,
    out: str | Path,
    settings: TrainingSettings | None = None,
    *,
    resume: bool = False,
    quiet: bool = False,
) -> Model:
    """Train a model on tagged images.

    After training, the run folder ``out`` contains ``model.safetensors``, ``manifest.json``, ``log.jsonl`` and
    ``checkpoint.safetensors``. The dataset's boxes are read only if the recipe's supervision requires them.

    Args:
        dataset: images and labels.
        out: the run folder; it must not contain a run unless ``resume`` is True.
        settings: all other settings; None uses the defaults.
        resume: whether to continue from the run folder's checkpoint; a finished run is left unchanged.
        quiet: whether to hide progress.

    Returns:
        The trained model.

    Raises:
        TrainingError: the run folder already contains a run or holds the checkpoint of a different run, or
            training diverged.
        DatasetError: the dataset has no images, no class is present in one image and absent from another, or the
            recipe requires boxes and the dataset has none.
        ConfigurationError: a setting is out of range for this dataset or backbone.
        ImageError: an image cannot be read.
        BackboneError: the backbone cannot be loaded.
        OutputError: a file cannot be written, or another process is writing to the run folder.
    """
    settings = settings or TrainingSettings()
    folds = settings.calibration_folds
    if folds:
        check_folds(len(dataset), folds)
    folder = RunFolder(expand_user(out))
    check_output_folder(folder.path)
    with lock_file(folder.model):
        model = _train_uncalibrated(dataset, folder, settings, resume=resume, quiet=quiet)
        if not folds or is_calibrated_by_folds(model, folds):
            return model
        return _calibrate(model, dataset, folder, settings, quiet=quiet)


def _train_uncalibrated(
    dataset: Dataset, folder: RunFolder, settings: TrainingSettings, *, resume: bool, quiet: bool
) -> Model:
    if not resume:
        folder.check_unused()
    settings = resolve_settings(dataset, settings)
    snapshots = Snapshots.of(
        folder.snapshots,
        settings.snapshots,
        epochs=settings.recipe.epochs,
        steps_per_epoch=settings.recipe.steps_per_epoch(len(dataset)),
    )
    started = time.monotonic()
    prepared = prepare_run(dataset, settings)
    state = find_resume_state(folder, prepared.setup, snapshots) if resume else ResumeState()
    if state.finished is not None:
        if not quiet:
            print_status(f"the run in {folder.path} is already finished")
        return state.finished
    folder.open_log(state.epochs_done)
    maps = load_features(prepared, quiet=quiet)
    trainable = TrainableModel.create(prepared, maps)
    run = TrainingRun(prepared, trainable, folder, snapshots, started=started, quiet=quiet)
    return run.train(state.checkpoint)


def _calibrate(
    model: Model, dataset: Dataset, folder: RunFolder, settings: TrainingSettings, *, quiet: bool
) -> Model:
    """Calibrate a trained model on its training images; see `freeloc.training.cross_fitting`."""
    fold_settings = replace(settings, snapshots=(), calibration_folds=0)
    written = content_hash(folder.model)

    def train_fold(part: Dataset, name: str) -> Localizer:
        fold_folder = RunFolder(folder.folds / name)
        fold_model = _train_uncalibrated(part, fold_folder, fold_settings, resume=True, quiet=quiet)
        # The content hash is removed so that the graph, which is used only once, is not cached.
        fold_model = replace(fold_model, content_hash=None)
        backbone = load_backbone(settings.backbone, settings.weights)
        options = LocalizerOptions(runtime=settings.runtime, precision=settings.precision)
        return Localizer.from_model(fold_model, backbone, options)

    calibrated = calibrate_by_folds(
        model, dataset, settings.calibration_folds, train_fold, seed=settings.seed, quiet=quiet
    )
    # Training the folds takes a while, in which the model may have been quantized or replaced.
    check_content(folder.model, written)
    folder.save_model(calibrated)
    if not quiet:
        print_status(f"wrote {folder.model}")
    shutil.rmtree(folder.folds, ignore_errors=True)
    return calibrated


class TrainingRun:
    """The part of a run after feature extraction: trains the model and writes all files.

    It also serves as the `freeloc.training.trainer.TrainingObserver` of its own trainer.

    Args:
        prepared: the prepared run, with dataset, settings and backbone.
        trainable: the weights to train.
        folder: the run folder.
        snapshots: snapshots to write.
        started: start time of the run, measured by `time.monotonic`.
        quiet: whether to print nothing.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        trainable: TrainableModel,
        folder: RunFolder,
        snapshots: Snapshots,
        *,
        started: float,
        quiet: bool,
    ) -> None:
        self._prepared = prepared
        self._trainable = trainable
        self._folder = folder
        self._snapshots = snapshots
        self._quiet = quiet
        self._resumed = False
        self._started = started
        self._extracted = time.monotonic()

    def train(self, checkpoint: Checkpoint | None) -> Model:
        """Train to the end of the recipe, from the beginning or from a checkpoint, and write the model.

        Raises:
            TrainingError: training diverged.
            OutputError: a file cannot be written.
        """
        prepared, trainable = self._prepared, self._trainable
        settings, dataset = prepared.settings, prepared.dataset
        trainer = Trainer(
            trainable.source,
            dataset.labels,
            trainable.step,
            trainable.optimizer,
            settings.recipe,
            settings.seed,
        )
        # If a frozen backbone runs in every epoch, it accounts for most of the computation.
        backbone_dominates = (
            not settings.cache_features and prepared.split.above is None and prepared.device.type == "cpu"
        )
        with share_cores(prepared.network.threads) if backbone_dominates else nullcontext():
            if checkpoint is None:
                self._begin()
            else:
                self._resumed = True
                checkpoint.restore(trainable.head, trainable.optimizer, trainable.backbone_weights)
            epochs_done = 0 if checkpoint is None else checkpoint.epochs_done
            trainer.fit(first_epoch=epochs_done, observer=self, quiet=self._quiet)
        model = self._model()
        box_threshold = fit_box_threshold(
            trainable.head_step,
            trainable.features,
            dataset,
            [info.size for info in prepared.image_info],
            prepared.backbone.layout,
            settings.recipe,
        )
        model = model.with_header(box_threshold=box_threshold)
        self._folder.save_model(model)
        self._print(f"wrote {self._folder.model}")
        return model

    def after_step(self, steps: int) -> None:
        """Write a snapshot if one is requested for this step."""
        self._snapshots.write(steps, lambda: self._model(steps), quiet=self._quiet)

    def after_epoch(self, record: EpochRecord) -> None:
        """Write the log and the checkpoint."""
        trainable = self._trainable
        self._folder.log(record)
        self._print(f"epoch {record.epoch}: loss {record.loss:.4f}, {record.seconds:.1f} s")
        checkpoint = Checkpoint.of(
            record.epoch,
            self._prepared.setup,
            trainable.head,
            trainable.optimizer,
            trainable.backbone_weights,
        )
        checkpoint.save(self._folder.checkpoint)

    def _begin(self) -> None:
        prepared, trainable, settings = self._prepared, self._trainable, self._prepared.settings
        if settings.recipe.warm_start_epochs:
            warm_start(
                trainable.head_step,
                trainable.features,
                prepared.dataset.labels,
                settings.recipe,
                seed=settings.seed,
                quiet=self._quiet,
            )
        self.after_step(0)

    def _model(self, step: int | None = None) -> Model:
        """Return the current model; for a snapshot, ``step`` is the number of completed steps.

        Raises:
            TrainingError: training diverged.
        """
        prepared, recipe, backbone = self._prepared, self._prepared.settings.recipe, self._prepared.backbone
        weights = self._trainable.backbone_weights
        changes = {key: value.detach().cpu().clone() for key, value in weights.items()}
        trained_backbone = backbone.with_weights(changes) if changes else backbone
        timings = {
            "features_seconds": round(self._extracted - self._started, 2),
            "training_seconds": round(time.monotonic() - self._extracted, 2),
        }
        header = ModelHeader(
            backbone=backbone.name,
            backbone_fingerprint=trained_backbone.fingerprint,
            backbone_base=backbone.fingerprint if changes else None,
            classes=prepared.dataset.classes,
            head=self._trainable.head.settings,
            scales=recipe.test_scales,
            padding=recipe.padding,
            pooling=prediction_pooling(recipe.pooling),
            layout=backbone.layout,
            pad_color=backbone.pad_color,
            manifest=make_manifest(
                prepared.setup, prepared.dataset, trained_backbone, timings, resumed=self._resumed, step=step
            ),
        )
        model = Model(header, self._trainable.head.folded(), changes)
        check_model(model, self._trainable.head_step, self._trainable.features, prepared.dataset, recipe)
        return model

    def _print(self, text: str) -> None:
        if not self._quiet:
            print_status(text)
