"""Write the curve of a run to its folder."""

from __future__ import annotations

from freeloc.io.atomic import write_text
from freeloc.training.run_folder import RunFolder
from freeloc.visualization.training_curve import TrainingCurve, render_curve

__all__ = ["curve_of", "write_curve"]


def curve_of(folder: RunFolder) -> TrainingCurve | None:
    """Return the curve of the epochs in the log of a run; None if there are none."""
    records = folder.records()
    if not records:
        return None
    results = [record.validation for record in records if record.validation is not None]
    if len(results) < len(records):
        results = []
    # The same rule as in `freeloc.training.best_epoch`.
    best = max(range(len(results)), key=lambda k: (results[k].mean_ap, k), default=None)
    return TrainingCurve(
        epochs=[record.epoch for record in records],
        loss=[record.loss for record in records],
        validation_loss=[result.loss for result in results],
        validation_ap=[result.mean_ap for result in results],
        best_epoch=None if best is None else records[best].epoch,
    )


def write_curve(folder: RunFolder) -> None:
    """Write the curve of the epochs so far.

    Raises:
        OutputError: the file cannot be written.
    """
    curve = curve_of(folder)
    if curve is not None:
        write_text(folder.curve, render_curve(curve))
