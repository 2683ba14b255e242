"""Train a model on tagged images, and write the model, its manifest and the log to a run folder.

`train` prepares a run, resumes it if requested, extracts the features, and passes them to a
`freeloc.training.training_run.TrainingRun`. That performs the warm start and the training steps
(`freeloc.training.trainer.Trainer`, `freeloc.training.step.HeadTrainStep`) and writes the model.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Unpack

from freeloc._log import get_logger
from freeloc._validation import check_arguments
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import Dataset
from freeloc.errors import ConfigurationError, DatasetError, DatasetOptionError, FreelocError
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.io.folders import expand_user
from freeloc.io.progress import pluralize, print_status
from freeloc.io.stages import Stages, show_stages
from freeloc.models.file_access import check_content, content_hash
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.training.convergence import training_outcome
from freeloc.training.cross_fitting import (
    MAX_IMAGES,
    OutOfFoldScores,
    calibrate_by_folds,
    check_folds,
    is_calibrated_by_folds,
)
from freeloc.training.forecast import forecast
from freeloc.training.hold_out import hold_out
from freeloc.training.options import TrainOptions, merge_settings, open_inputs
from freeloc.training.preparation import (
    PreparedRun,
    load_features,
    missing_features,
    prepare_run,
    resolve_settings,
)
from freeloc.training.quantization.int8_network import CALIBRATION_IMAGES, add_int8_network
from freeloc.training.quantization.requirements import check_quantization_available
from freeloc.training.report import reported_images, write_training_report
from freeloc.training.resume import ResumeState, find_resume_state
from freeloc.training.run_folder import RunFolder
from freeloc.training.settings import TrainingSettings
from freeloc.training.snapshots import Snapshots
from freeloc.training.trainable_model import TrainableModel, cell_features
from freeloc.training.training_run import TrainingRun
from freeloc.training.validation import Validation, match_classes

__all__ = ["train"]

_log = get_logger(__name__)


@check_arguments
def train(
    data: Dataset | DataSource,
    out: str | Path,
    settings: TrainingSettings | None = None,
    *,
    val: Dataset | DataSource | None = None,
    resume: bool = False,
    quiet: bool = False,
    **options: Unpack[TrainOptions],
) -> Model:
    """Train a model on tagged images.

    After training, the run folder ``out`` contains ``model.safetensors``, ``manifest.json``, ``log.jsonl``,
    ``checkpoint.safetensors`` and, unless the settings omit them, ``report.html`` and ``curve.svg``. The dataset's
    boxes are read only if the recipe's supervision requires them.

    With validation images (``val``, or ``settings.val_split``), the mean classification AP on them is measured
    after each epoch, at the training scales. The model has the weights of the epoch with the highest mAP (among
    equal ones, the last), and training stops once the mAP has been lower for ``settings.patience`` epochs. The
    best mAP of many epochs is slightly too high; measure the final model on other images.

    Args:
        data: an open dataset, or what `open_dataset` opens: a path, a DataFrame, or a dictionary of tags.
        out: the run folder; it must not contain a run unless ``resume`` is True.
        settings: all other settings; None uses the defaults.
        val: validation images and their labels, in the same forms; boxes are not read. Classes
            are matched by name. Images that are training images too are left out.
        resume: whether to continue from the run folder's checkpoint. The model of a finished run is left
            unchanged; its report is written if it is missing.
        quiet: whether to hide progress.
        options: settings by their own names, which replace those in ``settings``: the fields of `TrainingSettings`
            and of `Recipe`, such as ``epochs=20``, and the name of a ``recipe``. If ``data`` is a path, also the
            options of a dataset, such as ``split="train"``, and the name of another split as ``val_split``. If
            ``val`` is a path, also its ``val_split``, ``val_format`` and ``val_images``.

    Returns:
        The trained model.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; before the end of the first epoch, the message says whether
            features are stored.
        TrainingError: the run folder already contains a run or holds the checkpoint of a different run, or
            training diverged.
        DataProblems: a dataset that is given by its path has problems.
        DatasetError: the dataset has no images, no class is present in one image and absent from another, or the
            recipe requires boxes and the dataset has none; or the validation images are unsuitable.
        ConfigurationError: a setting is out of range for this dataset or backbone, or both ``val`` and
            ``settings.val_split`` are set.
        ImageError: an image cannot be read.
        BackboneError: the backbone cannot be loaded.
        OutputError: a file cannot be written, or another process is writing to the run folder.
    """
    settings = merge_settings(settings, options)
    folder = RunFolder(expand_user(out))
    with folder.lock(resume=resume):
        inputs = open_inputs(data, val, settings, options, quiet=quiet)
        dataset, validation = _divide(inputs.dataset, inputs.val, settings, quiet=quiet)
        return _train(dataset, validation, folder, settings, resume=resume, quiet=quiet)


def _train(
    dataset: Dataset,
    validation: Dataset | None,
    folder: RunFolder,
    settings: TrainingSettings,
    *,
    resume: bool,
    quiet: bool,
) -> Model:
    """Train a model, calibrate it, quantize it and write the report, as far as the settings ask for it."""
    folds = settings.calibration_folds
    if folds:
        check_folds(len(dataset), folds)
    if settings.int8:
        check_quantization_available()
    names = [
        "features",
        "training",
        *(["calibration"] if folds else []),
        *(["int8"] if settings.int8 else []),
        *(["report"] if settings.report else []),
    ]
    with show_stages(names, quiet=quiet) as stages:
        outcome = _train_uncalibrated(
            dataset, validation, folder, settings, resume=resume, quiet=quiet, stages=stages
        )
        model, held_out = outcome.model, None
        if folds and not is_calibrated_by_folds(model, folds):
            model, held_out = _calibrate(
                outcome, dataset, validation, folder, settings, quiet=quiet, stages=stages
            )
        if settings.int8 and (model.int8 is None or not model.has_current_int8()):
            model = _quantize(model, dataset, folder, settings, quiet=quiet, stages=stages)
        is_changed = outcome.is_new or held_out is not None
        if settings.report and (is_changed or not folder.report.exists()):
            if stages is not None:
                stages.begin("report", 2)
            _report(folder, model, outcome.prepared, held_out, quiet=quiet)
        _warn_of_plateau(folder, outcome.prepared)
        return model


def _warn_of_plateau(folder: RunFolder, run: PreparedRun) -> None:
    """Log one line if the loss is still that of scores which do not depend on the image."""
    trained = training_outcome(folder.records(), run.settings.recipe, run.dataset.labels)
    if trained is not None and not trained.converged:
        _log.warning("%s: %s", folder.path, trained.verdict)


def _report(
    folder: RunFolder, model: Model, run: PreparedRun, held_out: OutOfFoldScores | None, *, quiet: bool
) -> None:
    """Write the page about the model; the run has succeeded even if the page cannot be written."""
    try:
        write_training_report(folder, model, run, held_out, quiet=quiet)
    except FreelocError as error:
        _log.warning("the report was not written: %s; resume the run to write it", error)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """A trained model, and the run that trained it; ``is_new`` is False if the run was finished before."""

    model: Model
    prepared: PreparedRun
    is_new: bool


def _divide(
    dataset: Dataset, val: Dataset | None, settings: TrainingSettings, *, quiet: bool
) -> tuple[Dataset, Dataset | None]:
    """Return the training images and the validation images, if any."""
    if val is not None:
        if settings.val_split is not None:
            raise ConfigurationError(
                "val and val_split are both set: pass validation images, or hold out a fraction of the training "
                "images",
                parameter="val_split",
            )
        return dataset, match_classes(val, dataset.classes, quiet=quiet)
    if settings.val_split is None:
        return dataset, None
    parts = hold_out(dataset, settings.val_split, settings.seed)
    if not quiet:
        together = {
            "folder": "; images in the same folder stay together",
            "name": "; images whose names differ only in their number stay together",
            None: "",
        }
        print_status(
            f"held out for validation: {len(parts.validation)} of {pluralize(len(dataset), 'image')}"
            f"{together[parts.grouped_by]}"
        )
    try:
        return parts.training, match_classes(parts.validation, dataset.classes)
    except DatasetError as error:
        raise DatasetOptionError(
            f"{pluralize(len(parts.validation), 'image')} held out for validation: {error}; hold out a larger "
            "fraction",
            parameter="val_split",
        ) from error


def _train_uncalibrated(
    dataset: Dataset,
    val: Dataset | None,
    folder: RunFolder,
    settings: TrainingSettings,
    *,
    resume: bool,
    quiet: bool,
    stages: Stages | None,
) -> _Outcome:
    settings = resolve_settings(dataset, settings)
    snapshots = Snapshots.of(
        folder.snapshots,
        settings.snapshots,
        epochs=settings.recipe.epochs,
        steps_per_epoch=settings.recipe.steps_per_epoch(len(dataset)),
    )
    started = time.monotonic()
    prepared = prepare_run(dataset, settings, val, quiet=quiet)
    state = find_resume_state(folder, prepared.setup, snapshots) if resume else ResumeState()
    if state.finished is not None:
        if not quiet:
            print_status(f"the run in {folder.path} is already finished")
        return _Outcome(state.finished, prepared, is_new=False)
    folder.open_log(state.epochs_done)
    with _telling_of_features(prepared, folder):
        model = _run(prepared, folder, snapshots, state, started, quiet=quiet, stages=stages)
    return _Outcome(model, prepared, is_new=True)


@contextmanager
def _telling_of_features(prepared: PreparedRun, folder: RunFolder) -> Iterator[None]:
    """Let a ``KeyboardInterrupt`` before the end of the first epoch say whether features are stored."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if stop.args or folder.files_of_run or prepared.settings.draws_scales:
            raise
        count = len(prepared.dataset)
        stored = count - len(missing_features(prepared, prepared.image_info))
        told = "nothing was stored"
        if stored:
            told = f"the features of {stored} of {pluralize(count, 'image')} are stored, but no epoch is finished"
        raise KeyboardInterrupt(told) from stop


def _run(
    prepared: PreparedRun,
    folder: RunFolder,
    snapshots: Snapshots,
    state: ResumeState,
    started: float,
    *,
    quiet: bool,
    stages: Stages | None,
) -> Model:
    """Extract the features, and train the model to the end."""
    settings, dataset, val = prepared.settings, prepared.dataset, prepared.validation
    if stages is not None:
        stages.begin("features", 1 + (val is not None))
        _forecast(prepared, state.epochs_done, stages)
    maps = load_features(prepared, dataset, prepared.image_info, quiet=quiet)
    trainable = TrainableModel.create(prepared, maps)
    validation = _validation(prepared, quiet=quiet)
    run = TrainingRun(
        prepared, trainable, folder, snapshots, validation=validation, started=started, quiet=quiet
    )
    if stages is not None:
        # The warm start reads all images once more, and so does the box threshold.
        stages.begin("training", settings.recipe.epochs - state.epochs_done + (state.checkpoint is None) + 1)
    return run.train(state.checkpoint)


def _forecast(prepared: PreparedRun, epochs_done: int, stages: Stages) -> None:
    """Measure a sample of the work, and say how long the run will take."""
    settings = prepared.settings
    expected = forecast(
        prepared,
        epochs_done=epochs_done,
        folds=settings.calibration_folds,
        max_scored=MAX_IMAGES,
        quantized=CALIBRATION_IMAGES if settings.int8 else 0,
        reported=reported_images(prepared) if settings.report else 0,
        evaluated=stages.evaluated,
    )
    stages.plan(asdict(expected))
    count = len(prepared.dataset.classes)
    classes = f"{count} class{'' if count == 1 else 'es'}"
    print_status(f"{pluralize(len(prepared.dataset), 'image')}, {classes}: {expected}")


def _validation(prepared: PreparedRun, *, quiet: bool) -> Validation | None:
    images = prepared.validation
    if images is None:
        return None
    maps = load_features(prepared, images.dataset, images.image_info, quiet=quiet)
    features = cell_features(prepared, maps, [info.size for info in images.image_info])
    return Validation(features, images.dataset.labels, prepared.settings.recipe.scales)


def _calibrate(
    outcome: _Outcome,
    dataset: Dataset,
    val: Dataset | None,
    folder: RunFolder,
    settings: TrainingSettings,
    *,
    quiet: bool,
    stages: Stages | None,
) -> tuple[Model, OutOfFoldScores]:
    """Calibrate a trained model on its training images; see `freeloc.training.cross_fitting`."""
    folds = settings.calibration_folds
    fold_settings = replace(settings, snapshots=(), calibration_folds=0, val_split=None, report=False)
    written = content_hash(folder.model)
    if stages is not None:
        # Each fold trains for as many epochs as the model, and reads its images three more times.
        epochs = outcome.prepared.settings.recipe.epochs
        stages.begin("calibration", folds * (epochs + 3))

    def train_fold(part: Dataset, name: str) -> Localizer:
        fold_folder = RunFolder(folder.folds / name)
        fold_model = _train_uncalibrated(
            part, val, fold_folder, fold_settings, resume=True, quiet=quiet, stages=None
        ).model
        # The content hash is removed so that the graph, which is used only once, is not cached.
        fold_model = replace(fold_model, content_hash=None)
        backbone = load_backbone(settings.backbone, settings.weights)
        options = LocalizerOptions(runtime=settings.runtime, precision=settings.precision)
        return Localizer.from_model(fold_model, backbone, options)

    calibrated, held_out = calibrate_by_folds(
        outcome.model, dataset, folds, train_fold, seed=settings.seed, quiet=quiet
    )
    # Training the folds takes a while, in which the model may have been quantized or replaced.
    check_content(folder.model, written)
    folder.save_model(calibrated)
    if not quiet:
        print_status(f"wrote {folder.model}")
    shutil.rmtree(folder.folds, ignore_errors=True)
    return calibrated, held_out


def _quantize(
    model: Model,
    dataset: Dataset,
    folder: RunFolder,
    settings: TrainingSettings,
    *,
    quiet: bool,
    stages: Stages | None,
) -> Model:
    """Add an int8 network to a trained model; see `freeloc.training.quantization`."""
    written = content_hash(folder.model)
    if stages is not None:
        stages.begin("int8", 2)  # rounding the weights and measuring ranges read the images once each
    backbone = load_backbone(settings.backbone, settings.weights)
    paths = [sample.path for sample in dataset]
    quantized = add_int8_network(model, backbone, paths, seed=settings.seed, quiet=quiet)
    check_content(folder.model, written)
    folder.save_model(quantized)
    if not quiet:
        print_status(f"wrote {folder.model}")
    return quantized
