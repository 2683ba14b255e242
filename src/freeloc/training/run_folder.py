"""The run folder: what a training run leaves, and how one that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from freeloc.errors import FreelocError
from freeloc.io.atomic import check_writable, write_text
from freeloc.io.progress import print_status
from freeloc.models.model import Model
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.loop import EpochRecord
from freeloc.training.manifest import is_setup_of

__all__ = ["RunFolder"]


class RunFolder:
    """Model, manifest, log, checkpoint and snapshots of one run, in one folder.

    Args:
        folder: where; must not hold another run unless ``resume``.
        resume: a checkpoint that lies there is gone on from.
        quiet: say nothing.

    Raises:
        FreelocError: the folder holds a run already.
    """

    def __init__(self, folder: Path, *, resume: bool, quiet: bool) -> None:
        self.folder = folder
        self.model = folder / "model.safetensors"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.manifest = folder / "manifest.json"
        self.snapshots = folder / "snapshots"
        self.folds = folder / "folds"
        self._log = folder / "log.jsonl"
        self._lines: list[str] = []
        self._resume = resume
        self._quiet = quiet
        ours = (self.model, self.checkpoint, self.manifest, self._log, self.snapshots, self.folds)
        taken = [path.name for path in ours if path.exists()]
        if taken and not resume:
            raise FreelocError(
                f"{folder} holds a run already ({', '.join(taken)}): go on with --resume or choose another --out"
            )

    def finished(self, setup: Mapping[str, Any]) -> Model | None:
        """The model of a run that is resumed after its end; None where there is more to do.

        Args:
            setup: what decides the weights; `freeloc.training.manifest.describe_setup`.

        Raises:
            FreelocError: the model file is damaged.
        """
        if not (self._resume and self.model.exists()):
            return None
        model = Model.load(self.model)
        if not is_setup_of(model.header.manifest, setup):
            return None
        if not self._quiet:
            print_status(f"{self.model} is finished already")
        return model

    def open(self, setup: Mapping[str, Any]) -> Checkpoint | None:
        """Make the folder; give the checkpoint to go on from, if there is one.

        Args:
            setup: what decides the weights; `freeloc.training.manifest.describe_setup`.

        Raises:
            FreelocError: the checkpoint belongs to another setup, or cannot be read.
        """
        checkpoint = None
        if self._resume and self.checkpoint.exists():
            checkpoint = Checkpoint.load(self.checkpoint)
            changed = sorted(key for key in setup if checkpoint.setup.get(key) != setup[key])
            if changed:
                raise FreelocError(
                    f"the checkpoint in {self.folder} was made with another {' and '.join(changed)}: "
                    "give the same options and data as then, or train into another --out"
                )
        # A run stopped between log and checkpoint has logged an epoch that will be trained again.
        self._lines = self._logged()[: checkpoint.epochs_done if checkpoint else 0]
        check_writable(self._log)
        return checkpoint

    def _logged(self) -> list[str]:
        try:
            return self._log.read_text("utf-8").splitlines() if self._log.exists() else []
        except (OSError, ValueError) as error:
            raise FreelocError(f"{self._log} cannot be read ({error}): choose another --out") from error

    def log(self, record: EpochRecord) -> None:
        """Add one line to the log."""
        self._lines.append(json.dumps(asdict(record)))
        write_text(self._log, "".join(f"{line}\n" for line in self._lines))
        if not self._quiet:
            print_status(f"epoch {record.epoch}: loss {record.loss:.4f}, {record.seconds:.1f} s")

    def finish(self, model: Model) -> None:
        """Write model and manifest, and say where they are."""
        model.save(self.model)
        write_text(self.manifest, json.dumps(model.header.manifest, indent=2) + "\n")
        if not self._quiet:
            print_status(f"wrote {self.model}")
