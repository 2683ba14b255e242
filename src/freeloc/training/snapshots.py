"""Snapshots: usable models of an unfinished run, which show how training progresses (paper, Figures 1 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc.errors import ConfigurationError, TrainingError
from freeloc.io.progress import print_status
from freeloc.models.model import Model

__all__ = ["Snapshots", "snapshot_files"]


def snapshot_files(folder: Path) -> dict[int, Path]:
    """Return the snapshots in a folder by their steps, in the order of the steps; other files are left out.

    Args:
        folder: the folder, which need not exist.
    """
    found = {
        int(step): file
        for file in folder.glob("step-*.safetensors")
        if (step := file.stem.removeprefix("step-")).isdecimal()
    }
    return {step: found[step] for step in sorted(found)}


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The steps of a run after which its model is written, and the files to write.

    Attributes:
        folder: folder of the files; it is created when the first file is written.
        steps: sorted numbers of SGD steps, counted over the whole run; 0 means before the first step.
        epochs: number of epochs of the run.
        steps_per_epoch: number of steps in each epoch.
    """

    folder: Path
    steps: tuple[int, ...]
    epochs: int
    steps_per_epoch: int

    @classmethod
    def of(cls, folder: Path, steps: Sequence[int], *, epochs: int, steps_per_epoch: int) -> Snapshots:
        """Return the snapshots of a run, sorted and without duplicates.

        Raises:
            ConfigurationError: a step is not part of the run.
        """
        total = epochs * steps_per_epoch
        for step in steps:
            if not 0 <= step <= total:
                raise ConfigurationError(
                    f"snapshots includes step {step}: specify steps from 0 to {total} ({epochs} epochs of "
                    f"{steps_per_epoch} steps)",
                    parameter="snapshots",
                )
        return cls(folder, tuple(sorted(set(steps))), epochs, steps_per_epoch)

    @property
    def last_step(self) -> int:
        """Number of steps in the whole run."""
        return self.epochs * self.steps_per_epoch

    def file(self, step: int) -> Path:
        """Return the path of a step's model file."""
        return self.folder / f"step-{step:06d}.safetensors"

    def check_written(self, steps_done: int) -> None:
        """Check that a run that resumes after ``steps_done`` steps has written all snapshots up to that step.

        Raises:
            TrainingError: the run passed the step of a snapshot without writing it.
        """
        for step in self.steps:
            if step <= steps_done and not self.file(step).is_file():
                raise TrainingError(
                    f"cannot write a snapshot of step {step}: the run in {self.folder.parent} has already "
                    f"completed {steps_done} steps; omit this snapshot, or choose another folder",
                    parameter="snapshots",
                )

    def write(self, step: int, model: Callable[[], Model], *, quiet: bool) -> None:
        """Write the model if a snapshot is requested for this step.

        Args:
            step: number of completed steps.
            model: function that returns the model; called only if a snapshot is written.
            quiet: whether to print nothing.

        Raises:
            OutputError: the file cannot be written.
            ModelError: a weight is not finite.
        """
        if step in self.steps:
            model().save(self.file(step))
            if not quiet:
                print_status(f"wrote {self.file(step)}")
