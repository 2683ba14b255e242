"""Say in words which epoch of a run with validation images was chosen, and why training ended when it did."""

from __future__ import annotations

from collections.abc import Sequence

from freeloc.io.progress import pluralize
from freeloc.training.trainer import EpochRecord

__all__ = ["explain_choice"]


def explain_choice(records: Sequence[EpochRecord], epochs: int, patience: int) -> list[str]:
    """Return sentences about the choice of the epoch; none without validation images.

    Args:
        records: the epochs of the run.
        epochs: maximum number of epochs.
        patience: number of epochs with a lower mAP after which training stops; 0 never stops it early.
    """
    results = [record.validation for record in records]
    values = [result.mean_ap for result in results if result is not None]
    if not values or len(values) < len(results):
        return []
    best = max(values)
    equal = [record.epoch for record, value in zip(records, values, strict=True) if value == best]
    sentences = [f"The model has the weights of epoch {equal[-1]}, with a validation mAP of {100 * best:.1f}"]
    if len(equal) > 1:
        sentences[0] += (
            f", the highest; {len(equal)} epochs reached it, and the last one is taken, because points still "
            "improve when the ranking of the images no longer does"
        )
    else:
        sentences[0] += ", the highest of all epochs"
    done = records[-1].epoch
    if done < epochs:
        sentences.append(
            f"Training stopped after epoch {done}, because the mAP had been lower for {patience} epochs"
        )
    elif done - equal[-1] < patience:
        sentences.append(
            f"Training took all {pluralize(epochs, 'epoch')}, because the mAP was never lower for {patience} "
            "epochs in a row"
        )
    return [f"{sentence}." for sentence in sentences]
