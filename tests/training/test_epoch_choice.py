"""The words about the epoch whose weights a model has."""

from __future__ import annotations

import pytest

from freeloc.training.epoch_choice import explain_choice
from freeloc.training.trainer import EpochRecord
from freeloc.training.validation import ValidationResult


def records(*values: float | None) -> list[EpochRecord]:
    return [
        EpochRecord(number, 1.0, 0.1, 1.0, None if value is None else ValidationResult(value, 0.5))
        for number, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ("values", "epochs", "first", "second"),
    [
        (
            (0.9, 1.0, 1.0, 0.95),
            4,
            (
                "The model has the weights of epoch 3, with a validation mAP of 100.0, the highest; 2 epochs reached "
                "it, and the last one is taken, because points still improve when the ranking of the images no longer "
                "does."
            ),
            "Training took all 4 epochs, because the mAP was never lower for 2 epochs in a row.",
        ),
        (
            (0.9, 0.95, 0.9, 0.9),
            9,
            "The model has the weights of epoch 2, with a validation mAP of 95.0, the highest of all epochs.",
            "Training stopped after epoch 4, because the mAP had been lower for 2 epochs.",
        ),
    ],
)
def test_the_epoch_and_the_end_are_explained(
    values: tuple[float, ...], epochs: int, first: str, second: str
) -> None:
    assert explain_choice(records(*values), epochs, 2) == [first, second]


def test_without_validation_or_patience_there_is_less_to_say() -> None:
    assert explain_choice(records(None, None), 2, 2) == []
    assert explain_choice([], 2, 2) == []
    assert explain_choice(records(0.5, None), 2, 2) == []
    assert len(explain_choice(records(0.5, 0.6), 2, 0)) == 1
