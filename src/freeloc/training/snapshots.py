"""Snapshots: whole model files of a run under way, to see how it learns (paper, Figures 1 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc.errors import FreelocError
from freeloc.io.progress import print_status
from freeloc.models.model import Model

__all__ = ["Snapshots"]


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Which iterations of a run leave a model file, and where.

    Attributes:
        folder: where; made when there is something to keep.
        iterations: steps of SGD over the whole run, in order; 0 is the model before the first one.
        epochs: of the run.
        per_epoch: iterations of each.
    """

    folder: Path
    iterations: tuple[int, ...]
    epochs: int
    per_epoch: int

    @classmethod
    def of(cls, folder: Path, wanted: Sequence[int], *, epochs: int, per_epoch: int) -> Snapshots:
        """The snapshots of a run of ``epochs`` times ``per_epoch`` iterations.

        Raises:
            FreelocError: the run does not come to one of them.
        """
        total = epochs * per_epoch
        for iteration in wanted:
            if not 0 <= iteration <= total:
                raise FreelocError(
                    f"--snapshots {iteration} is no iteration of this run: give numbers from 0 to {total} "
                    f"({epochs} epochs of {per_epoch})"
                )
        return cls(folder, tuple(sorted(set(wanted))), epochs, per_epoch)

    @property
    def last(self) -> int:
        """The run's last iteration."""
        return self.epochs * self.per_epoch

    def file(self, iteration: int) -> Path:
        """The model file of one iteration."""
        return self.folder / f"step-{iteration:06d}.safetensors"

    def check_kept(self, done: int) -> None:
        """Make sure that a run that goes on after ``done`` iterations has left what it should have until then.

        Raises:
            FreelocError: a snapshot is asked for that the run has passed without keeping it.
        """
        for iteration in self.iterations:
            if iteration <= done and not self.file(iteration).is_file():
                raise FreelocError(
                    f"--snapshots {iteration} is passed: the run in {self.folder.parent} has done {done} "
                    "iterations; leave it out, or train into another --out"
                )

    def keep(self, iteration: int, model: Callable[[], Model], *, quiet: bool) -> None:
        """Write the model if this iteration is one of those wanted.

        Raises:
            FreelocError: the place cannot be written to, or a weight is no finite number.
        """
        if iteration in self.iterations:
            model().save(self.file(iteration))
            if not quiet:
                print_status(f"wrote {self.file(iteration)}")
