"""A small training run, and helpers to compare and interrupt runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from freeloc.models.model import Model
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.recipe import Recipe

SCALES = (0.25, 0.4)
COUNT = 12
RECIPE = Recipe(
    name="tiny",
    epochs=3,
    batch_size=4,
    scales=SCALES,
    test_scales=(0.5, 0.8),
    warm_start_epochs=2,
    warmup_fraction=0.0,
    hidden=16,
)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(Model.load(folder).head.state_dict())


def assert_equal(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """Check that two models are equal, bit for bit."""
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].numpy().tobytes() == value.numpy().tobytes(), key


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


class Interrupted(Exception):
    """An exception that simulates a power failure."""


def interrupt(monkeypatch: pytest.MonkeyPatch, where: str, epoch: int) -> None:
    """Stop the run at the end of an epoch: between log and checkpoint, or after both."""
    own_save = Checkpoint.save

    def save(self: Checkpoint, path: Path) -> None:
        if where == "before checkpoint" and self.epochs_done == epoch:
            raise Interrupted
        own_save(self, path)
        if where == "after checkpoint" and self.epochs_done == epoch:
            raise Interrupted

    monkeypatch.setattr(Checkpoint, "save", save)
