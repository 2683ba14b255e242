"""The run folder, to which a training run writes its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from freeloc.errors import TrainingError
from freeloc.io.atomic import check_output_folder, check_writable, write_text
from freeloc.io.limits import check_resources
from freeloc.io.lock import lock_file
from freeloc.io.permissions import FORBIDDEN, is_forbidden
from freeloc.io.regular_file import read_regular
from freeloc.io.typed_json import decode_json
from freeloc.models.model import Model
from freeloc.training.trainer import EpochRecord

__all__ = ["RunFolder"]

_locked: ContextVar[Path | None] = ContextVar("locked_run", default=None)
"""The run folder that is locked by `RunFolder.lock`."""


class RunFolder:
    """Model, manifest, log, checkpoint and snapshots of one run.

    Args:
        path: path of the folder, which need not exist.

    Attributes:
        path: path of the folder.
        model: the model file.
        manifest: the manifest file.
        log_file: the log, with one line per epoch.
        checkpoint: the checkpoint file.
        snapshots: folder of the snapshots.
        folds: folder of the training runs used to calibrate the model.
        curve: the curve of the loss and, with validation images, of the mAP.
        report: the page about the trained model.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model.safetensors"
        self.manifest = path / "manifest.json"
        self.log_file = path / "log.jsonl"
        self.checkpoint = path / "checkpoint.safetensors"
        self.snapshots = path / "snapshots"
        self.folds = path / "folds"
        self.curve = path / "curve.svg"
        self.report = path / "report.html"
        self._log: list[str] = []

    @contextmanager
    def lock(self, *, resume: bool) -> Iterator[None]:
        """Check, before any work starts, that a run can be written to the folder, and lock it within the block.

        Within such a block about the same folder, the outer lock holds.

        Args:
            resume: whether the folder may contain a run.

        Raises:
            TrainingError: the folder contains a file of a run, and ``resume`` is False.
            OutputError: the folder cannot be written to, or another process is writing to it.
        """
        if _locked.get() == self.path:
            yield
            return
        check_output_folder(self.path)
        with lock_file(self.model):  # before looking for an earlier run, because that one may still go on
            if not resume:
                self.check_unused()
            token = _locked.set(self.path)
            try:
                yield
            finally:
                _locked.reset(token)

    @property
    def files_of_run(self) -> list[Path]:
        """The files and folders that show that the folder contains a run."""
        files = (self.model, self.checkpoint, self.manifest, self.log_file, self.snapshots, self.folds)
        return [file for file in files if file.exists()]

    def check_unused(self) -> None:
        """Check that the folder contains no run.

        Raises:
            TrainingError: the folder contains a file of a run.
        """
        present = [file.name for file in self.files_of_run]
        if present:
            raise TrainingError(
                f"{self.path} already contains a run ({', '.join(present)}): resume it, or choose another folder",
                parameter="resume",
            )

    def open_log(self, epochs_done: int) -> None:
        """Prepare the log for the epochs after ``epochs_done``.

        If a run stopped after writing the log but before writing the checkpoint, its log contains a line for an
        epoch that will be repeated. That line is dropped, and `log` writes it again.

        Raises:
            TrainingError: the log cannot be read.
            OutputError: the folder cannot be written to.
        """
        self._log = self._read_log()[:epochs_done]
        check_writable(self.log_file)

    def _read_log(self) -> list[str]:
        try:
            return read_regular(self.log_file).decode().splitlines() if self.log_file.exists() else []
        except (OSError, ValueError) as error:
            check_resources(error)
            if is_forbidden(self.log_file, error):
                raise TrainingError(f"{self.log_file} cannot be read: {FORBIDDEN}") from error
            raise TrainingError(f"{self.log_file} cannot be read ({error}): choose another folder") from error

    def log(self, record: EpochRecord) -> None:
        """Append one epoch to the log.

        Raises:
            OutputError: the log cannot be written.
        """
        self._log.append(json.dumps(record.to_dict()))
        write_text(self.log_file, "".join(f"{line}\n" for line in self._log))

    def records(self) -> list[EpochRecord]:
        """Return the epochs in the log; damaged lines are left out.

        Raises:
            TrainingError: the log cannot be read.
        """
        records = []
        for line in self._log or self._read_log():
            with suppress(ValueError):
                records.append(EpochRecord.from_json(decode_json(line)))
        return records

    def save_model(self, model: Model) -> None:
        """Write the model and its manifest.

        Raises:
            OutputError: a file cannot be written.
            ModelError: a weight is not finite.
        """
        model.save(self.model)
        write_text(self.manifest, json.dumps(model.header.manifest, indent=2) + "\n")
