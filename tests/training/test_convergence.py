"""Whether training has left its plateau: the loss of constant scores, and a run on each side of it."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from freeloc.datasets import Dataset
from freeloc.training.convergence import MIN_EXPLAINED, constant_loss, training_outcome
from freeloc.training.recipe import Recipe
from freeloc.training.run_folder import RunFolder
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from freeloc.training.trainer import EpochRecord
from freeloc.training.validation import ValidationResult

LABELS = np.array([[1, -1, 0], [-1, -1, 1], [-1, 1, 1], [-1, 1, 0]], np.int8)


def test_no_constant_scores_have_a_lower_loss() -> None:
    """Minimize the loss of one score per class numerically, and compare."""

    def lowest(column: np.ndarray, extra: int) -> float:
        def loss(score: float) -> float:
            known = column[column != 0]
            return float(np.logaddexp(0, -known * score).sum() + extra * np.logaddexp(0, score))

        return float(minimize_scalar(loss, bounds=(-40, 40), method="bounded").fun)

    for outside in (False, True):
        extra = (LABELS > 0).sum(axis=0) * outside
        wanted = sum(lowest(column, count) for column, count in zip(LABELS.T, extra, strict=True)) / len(
            LABELS
        )
        assert constant_loss(LABELS, outside=outside) == pytest.approx(wanted, abs=1e-6)
    # One of four, two of four, and a class that is present wherever it is known.
    entropy = math.log(4) / 4 + 3 * math.log(4 / 3) / 4 + math.log(2)
    assert constant_loss(LABELS) == pytest.approx(entropy)
    assert constant_loss(np.zeros((3, 2), np.int8)) == 0


def test_the_outcome_sums_up_the_log() -> None:
    recipe = Recipe(batch_size=2, scales=(0.7,), cell_fraction=0.5, learning_rate=0.02)
    records = [EpochRecord(1, 1.0, 0.02, 4.0), EpochRecord(2, 0.5, 0.02, 3.0), EpochRecord(3, 0.7, 0.0, 2.0)]
    outcome = training_outcome(records, recipe, LABELS)
    assert outcome is not None
    assert (outcome.epochs, outcome.steps, outcome.seconds, outcome.loss) == (3, 6, 9.0, 0.7)
    assert (outcome.learning_rate, outcome.cells) == (0.02, "50% of each image's")
    assert outcome.converged
    # With validation, the model has the weights of the best epoch, and of the last of equal ones.
    tested = [
        record.with_validation(ValidationResult(value, 1.0))
        for record, value in zip(records, (0.4, 0.4, 0.3), strict=True)
    ]
    kept = training_outcome(tested, recipe, LABELS)
    assert kept is not None
    assert kept.loss == 0.5
    assert training_outcome([], recipe, LABELS) is None


@pytest.mark.parametrize(("part", "converged"), [(1.0, False), (0.901, False), (0.899, True), (1.4, False)])
def test_the_limit_lies_a_tenth_below_the_plateau(part: float, converged: bool) -> None:
    loss = part * constant_loss(LABELS)
    outcome = training_outcome([EpochRecord(1, loss, 0.1, 1.0)], Recipe(name="paper"), LABELS)
    assert outcome is not None
    assert outcome.converged is converged
    assert outcome.to_dict()["converged"] is converged
    assert MIN_EXPLAINED == 0.1


def test_a_run_that_stays_on_its_plateau_is_named(
    tiny_training: Dataset, tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two steps of the paper's recipe at a tiny rate, and the warm-started run that all tests use."""
    scales = (0.3,)
    recipe = replace(
        Recipe.named("paper", epochs=1, hidden=16, learning_rate=1e-5), scales=scales, test_scales=scales
    )
    caplog.set_level(logging.WARNING, logger="freeloc")
    train(
        tiny_training,
        tmp_path,
        TrainingSettings(backbone="efficientnet_lite0", recipe=recipe, report=False),
        quiet=True,
    )
    plain = training_outcome(RunFolder(tmp_path).records(), recipe, tiny_training.labels)
    assert plain is not None
    assert not plain.converged
    (warning,) = [text for text in caplog.messages if "did not converge" in text]
    assert warning.endswith("the recipe default starts beyond this plateau")
    learned = training_outcome(RunFolder(tiny_run).records(), Recipe(batch_size=8), tiny_training.labels)
    assert learned is not None
    assert learned.converged
