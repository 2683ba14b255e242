"""Pretrain a backbone on images with one class each, and write its weight file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import msgspec
import torch
from safetensors.torch import save as as_bytes
from torch import Tensor

from freeloc._literals import PretrainingBackbone, PretrainingSchedule
from freeloc._validation import check_arguments, check_keywords
from freeloc.datasets.data_source import DataSource
from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.datasets.training_data import DataOptions, open_for_training
from freeloc.errors import ConfigurationError, DatasetError, OutputError, TrainingError
from freeloc.io.atomic import write_bytes, write_text
from freeloc.io.folders import expand_user
from freeloc.io.lock import check_free_file, lock_file
from freeloc.io.progress import pluralize, print_status
from freeloc.io.stages import Stages, show_stages
from freeloc.nn.backbones.alexnet_layers import METADATA_KEY as ARCHITECTURE_KEY
from freeloc.training.device import deterministic
from freeloc.training.pretraining.checkpoint import (
    METADATA_KEY,
    EpochResult,
    PretrainingCheckpoint,
    PretrainingRecord,
    read_record,
    restore_momentum,
)
from freeloc.training.pretraining.network import architecture_of
from freeloc.training.pretraining.processes import Processes, connect
from freeloc.training.pretraining.settings import PretrainingSettings
from freeloc.training.pretraining.trainer import PretrainingRun
from freeloc.visualization.training_curve import TrainingCurve, render_curve

__all__ = ["PretrainingFiles", "PretrainingResult", "pretrain"]


class PretrainOptions(DataOptions, total=False):
    """Options of `pretrain`: those of a dataset (`DataOptions`), and the fields of `PretrainingSettings`."""

    backbone: PretrainingBackbone
    width: int
    channels: tuple[int, ...]
    response_normalization: bool
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: PretrainingSchedule
    momentum: float
    weight_decay: float
    dropout: float
    seed: int


@dataclass(frozen=True)
class PretrainingResult:
    """The outcome of pretraining.

    Attributes:
        path: the weight file.
        classes: names of the classes, in the order of the classifier's outputs.
        epochs: what happened in each epoch.
    """

    path: Path
    classes: tuple[str, ...]
    epochs: tuple[EpochResult, ...]


@dataclass(frozen=True)
class PretrainingFiles:
    """The weight file of a pretraining run, and the files beside it.

    Attributes:
        weights: the weight file.
    """

    weights: Path

    @property
    def checkpoint(self) -> Path:
        """The checkpoint, which exists from the end of the first epoch until the weight file is written."""
        return self.weights.with_suffix(".checkpoint.safetensors")

    @property
    def log(self) -> Path:
        """The log, with one line per epoch."""
        return self.weights.with_suffix(".log.jsonl")

    @property
    def curve(self) -> Path:
        """The curve of the loss."""
        return self.weights.with_suffix(".curve.svg")

    def check(self, *, resume: bool) -> None:
        """Check, before any work starts, that a run can be written.

        Raises:
            TrainingError: there are files of a run, and ``resume`` is False.
            OutputError: the weight file cannot be written, or another process is writing to it.
        """
        check_free_file(self.weights)
        if self.weights.suffix != ".safetensors":
            raise OutputError(
                f"cannot write {self.weights}: the name of a weight file must end in .safetensors",
                path=self.weights,
                parameter="out",
            )
        present = [file.name for file in (self.weights, self.checkpoint) if file.exists()]
        if present and not resume:
            raise TrainingError(
                f"{self.weights.parent} already contains {' and '.join(present)}: resume, or choose another file",
                parameter="resume",
            )


@check_arguments
def pretrain(
    data: Dataset | DataSource,
    out: str | Path,
    settings: PretrainingSettings | None = None,
    *,
    resume: bool = False,
    quiet: bool = False,
    **options: Unpack[PretrainOptions],
) -> PretrainingResult:
    """Pretrain the layers C1 to FC7 of an AlexNet on images with one class each, such as those of ImageNet.

    This is the first step of the paper (section 4), in its usual form: random crops and mirror images,
    cross-entropy, SGD with momentum, weight decay, and dropout in FC6 and FC7. The weight file is one for
    ``--backbone alexnet``: for example ``train(data, "run", backbone="alexnet", weights=out)``.

    After each epoch, a checkpoint, a log (``.log.jsonl``) and the curve of the loss (``.curve.svg``) are
    written beside the weight file. The checkpoint is removed at the end.

    Started by torchrun, processes share each batch, one GPU per process if there are any.

    Args:
        data: an open dataset, or what `open_dataset` opens, such as a path; every image must have exactly one
            class.
        out: the weight file to write, with the suffix .safetensors.
        settings: all other settings; None uses the defaults.
        resume: whether to continue from the checkpoint beside ``out``. A finished weight file is left
            unchanged.
        quiet: whether to hide progress.
        options: settings by their own names, which replace those in ``settings``; if ``data`` is a path, also
            the options of a dataset, such as ``split="train"``.

    Returns:
        The path of the weight file, the classes and the epochs.

    Raises:
        TrainingError: ``out`` exists already, the checkpoint belongs to a different run, or training diverged.
        DataProblems: a dataset that is given by its path has problems.
        DatasetError: an image does not have exactly one class, or there are fewer than two classes.
        ConfigurationError: a setting is out of range.
        ImageError: an image cannot be read.
        OutputError: a file cannot be written, or another process is writing to it.
    """
    check_keywords("pretrain", options, PretrainOptions.__annotations__)
    names = {field.name for field in fields(PretrainingSettings)}
    changes: Any = {name: value for name, value in options.items() if name in names}
    chosen: Any = {name: value for name, value in options.items() if name not in names}
    settings = replace(settings or PretrainingSettings(), **changes)
    files = PretrainingFiles(expand_user(out))
    with connect() as processes, deterministic():
        quiet = quiet or not processes.is_first
        processes.first(lambda: files.check(resume=resume))
        with show_stages(["check", "pretraining"], quiet=quiet) as stages:
            dataset = processes.first(lambda: _open(data, chosen, quiet=quiet))
            targets = _targets(dataset)
            if min(settings.batch_size, len(dataset)) < processes.count:
                raise ConfigurationError(
                    f"a batch of at most {min(settings.batch_size, len(dataset))} images cannot be divided among "
                    f"{processes.count} processes: start fewer processes",
                    parameter="batch_size",
                )
            if not processes.is_first:
                return _pretrain(dataset, targets, files, settings, processes, resume=resume, stages=None)
            with lock_file(files.weights):
                return _pretrain(dataset, targets, files, settings, processes, resume=resume, stages=stages)


def _open(data: Dataset | DataSource, options: Mapping[str, Any], *, quiet: bool) -> Dataset:
    if not isinstance(data, Dataset):
        dataset = open_for_training(data, quiet=quiet, **options)
        if not quiet:
            print_status(
                f"{dataset.name}: {pluralize(len(dataset), 'image')}, {len(dataset.classes)} classes"
            )
        return dataset
    for name in options:
        raise ConfigurationError(
            f"{name} applies only to the path of a dataset, not to an open one: set it in open_dataset",
            parameter=name,
        )
    return data


def _targets(dataset: Dataset) -> Tensor:
    """Return the index of each image's class."""
    if len(dataset) == 0 or len(dataset.classes) < 2:
        raise DatasetError(
            f"{dataset.name} has {pluralize(len(dataset), 'image')} and {len(dataset.classes)} classes: "
            "pretraining requires images of at least two classes"
        )
    present = dataset.labels == PRESENT
    counts = present.sum(axis=1)
    wrong = (counts != 1).nonzero()[0]
    if len(wrong):
        first = int(wrong[0])
        raise DatasetError(
            f"{pluralize(len(wrong), 'image')} of {dataset.name} do not have exactly one class (first: "
            f"{dataset[first].path}, with {counts[first]}): pretraining requires images of single objects",
            path=dataset[first].path,
        )
    return torch.from_numpy(present.argmax(axis=1))


def _pretrain(
    dataset: Dataset,
    targets: Tensor,
    files: PretrainingFiles,
    settings: PretrainingSettings,
    processes: Processes,
    *,
    resume: bool,
    stages: Stages | None,
) -> PretrainingResult:
    plain = json.loads(json.dumps(asdict(settings)))
    record = PretrainingRecord(plain, dataset.fingerprint, dataset.classes)
    finished, checkpoint = processes.first(lambda: _resume_state(files, record)) if resume else (None, None)
    if finished is not None:
        if stages is not None:
            print_status(f"{files.weights} is already finished")
        return PretrainingResult(files.weights, dataset.classes, finished.epochs)
    run = PretrainingRun.create(dataset, targets, settings, processes)
    if checkpoint is not None:
        record = checkpoint.record
        run.network.load_state_dict(checkpoint.weights)
        restore_momentum(run.optimizer, run.network, checkpoint.momentum)
    done = len(record.epochs)
    if stages is not None:
        stages.begin("pretraining", settings.epochs - done)
    for epoch in range(done, settings.epochs):
        result = run.train_epoch(epoch, quiet=stages is None)
        record = replace(record, epochs=(*record.epochs, result))
        processes.first(partial(_write_epoch, files, run, record))
        if stages is not None:
            text = f"loss {result.loss:.4f}, {result.accuracy:.1%} correct, {result.seconds:.1f} s"
            stages.report(f"epoch {result.epoch} of {settings.epochs}: {text}", f"loss {result.loss:.3f}")
    processes.first(lambda: _write_weights(files, run, record))
    if stages is not None:
        print_status(f"wrote {files.weights}")
    return PretrainingResult(files.weights, dataset.classes, record.epochs)


def _resume_state(
    files: PretrainingFiles, record: PretrainingRecord
) -> tuple[PretrainingRecord | None, PretrainingCheckpoint | None]:
    """Return the record of a finished run, or the checkpoint from which to continue."""
    finished = read_record(files.weights)
    if finished is not None and record.difference(finished) is None:
        return finished, None
    if not files.checkpoint.exists():
        if files.weights.exists():
            parameter, text = ("out", "") if finished is None else record.difference(finished) or ("out", "")
            reason = f" with other settings: {text}" if text else ""
            raise TrainingError(
                f"{files.weights} is the result of another run{reason}; choose another file",
                parameter=parameter,
            )
        return None, None
    checkpoint = PretrainingCheckpoint.load(files.checkpoint)
    difference = record.difference(checkpoint.record)
    if difference is not None:
        parameter, text = difference
        raise TrainingError(
            f"cannot resume from {files.checkpoint}, which was started with other settings: {text}; use the same "
            "settings, or choose another file",
            parameter=parameter,
        )
    return None, checkpoint


def _write_epoch(files: PretrainingFiles, run: PretrainingRun, record: PretrainingRecord) -> None:
    momentum = {
        name: run.optimizer.state[parameter]["momentum_buffer"]
        for name, parameter in run.network.named_parameters()
        if run.optimizer.state[parameter].get("momentum_buffer") is not None
    }
    PretrainingCheckpoint(record, dict(run.network.state_dict()), momentum).save(files.checkpoint)
    write_text(files.log, "".join(f"{json.dumps(asdict(epoch))}\n" for epoch in record.epochs))
    curve = TrainingCurve([each.epoch for each in record.epochs], [each.loss for each in record.epochs])
    write_text(files.curve, render_curve(curve))


def _write_weights(files: PretrainingFiles, run: PretrainingRun, record: PretrainingRecord) -> None:
    metadata = {
        ARCHITECTURE_KEY: architecture_of(run.settings).to_json(),
        METADATA_KEY: json.dumps(msgspec.to_builtins(record)),
    }
    write_bytes(files.weights, as_bytes(run.network.weight_file(), metadata=metadata))
    files.checkpoint.unlink(missing_ok=True)
