"""Resume a run: find its finished model, or the checkpoint from which to continue."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc.errors import TrainingError
from freeloc.models.model import Model
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.run_folder import RunFolder
from freeloc.training.run_setup import RunSetup
from freeloc.training.snapshots import Snapshots

__all__ = ["ResumeState", "find_resume_state"]


@dataclass(frozen=True, eq=False)
class ResumeState:
    """Progress of a run; the defaults describe a run that has not started.

    Attributes:
        finished: the model, if the run is finished.
        checkpoint: the checkpoint from which to continue, if the run is not finished.
    """

    finished: Model | None = None
    checkpoint: Checkpoint | None = None

    @property
    def epochs_done(self) -> int:
        """Number of completed epochs, for an unfinished run."""
        return 0 if self.checkpoint is None else self.checkpoint.epochs_done


def find_resume_state(folder: RunFolder, setup: RunSetup, snapshots: Snapshots) -> ResumeState:
    """Return the progress of the run in a folder.

    Args:
        folder: the run folder; it need not exist.
        setup: setup of the run to resume.
        snapshots: snapshots of the run.

    Raises:
        TrainingError: the checkpoint cannot be read or belongs to a run with a different setup, or the run has
            already passed the step of a requested snapshot without writing it.
        ModelError: the run is finished, but its model file is damaged.
    """
    model = _finished_model(folder, setup)
    if model is not None:
        snapshots.check_written(snapshots.last_step)
        return ResumeState(finished=model)
    if not folder.checkpoint.exists():
        return ResumeState()
    checkpoint = Checkpoint.load(folder.checkpoint)
    changed = setup.differences(checkpoint.setup)
    if changed:
        raise TrainingError(
            f"cannot resume the run in {folder.path}, which was started with other settings: "
            f"{'; '.join(difference.text for difference in changed)}; use the same settings, or choose another "
            "folder",
            parameter=next((item.parameter for item in changed if item.parameter is not None), None),
        )
    snapshots.check_written(checkpoint.epochs_done * snapshots.steps_per_epoch)
    return ResumeState(checkpoint=checkpoint)


def _finished_model(folder: RunFolder, setup: RunSetup) -> Model | None:
    if not folder.model.exists():
        return None
    model = Model.load(folder.model)
    found = RunSetup.from_manifest(model.header.manifest)
    return None if found is None or setup.differences(found) else model
