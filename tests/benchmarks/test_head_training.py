"""The benchmarks of training compare equal work."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import head_training, live_training
from benchmarks.head_training import open_training_workload
from freeloc.datasets import Dataset
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep

pytestmark = pytest.mark.slow

HEAD_TASKS = (head_training.SQUARE, head_training.CANVASES, head_training.CACHED, head_training.FORWARD)
LIVE_TASKS = (live_training.BACKBONE, live_training.EPOCH, live_training.CANVASES)


def test_the_timed_tasks(results: dict[str, Any]) -> None:
    head, live = results["head_training"], results["live_training"]
    assert head["seconds_per_epoch"].keys() == set(HEAD_TASKS)
    assert live["seconds"].keys() == set(LIVE_TASKS)
    assert head["speedup"].keys() == {head_training.SQUARE, head_training.CANVASES}
    assert live["images"] == 4
    for spreads in (head["seconds_per_epoch"], live["seconds"]):
        assert all(spread["median"] > 0 for spread in spreads.values())
    # With one round, the ratio is that of the two medians.
    seconds = head["seconds_per_epoch"]
    ratio = seconds[head_training.CANVASES]["median"] / seconds[head_training.CACHED]["median"]
    assert head["speedup"][head_training.CANVASES]["median"] == pytest.approx(ratio, rel=0.01)


def test_the_page(results: dict[str, Any]) -> None:
    page = "\n\n".join(
        (*head_training.render(results["head_training"]), *live_training.render(results["live_training"]))
    )
    for name in (*HEAD_TASKS, *LIVE_TASKS):
        assert f"| {name} | " in page


def test_the_plain_loop_takes_the_same_steps(tiny_training: Dataset, tmp_path: Path) -> None:
    """Without dropout and on all cells, both take equal steps up to the cache's eleven bits."""
    recipe = dataclasses.replace(
        Recipe(),
        batch_size=2,
        scales=(0.4,),
        hidden=32,
        feature_dropout=0.0,
        hidden_dropout=0.0,
        cell_fraction=1.0,
        weight_decay=0.0,
    )
    workload = open_training_workload(
        tiny_training, recipe, backbone="lite0", precision="float32", steps=2, cache=tmp_path / "cache"
    )
    plain, cached = workload.start(), workload.start()
    start = cached.head.fcb.weight.detach().clone()
    head_training._train_plainly(workload, plain)
    step = HeadTrainStep(
        cached.projection, cached.head, recipe, use_bfloat16=False, device=torch.device("cpu")
    )
    head_training._train_from_cache(workload, cached, step)
    moved = cached.head.fcb.weight.detach() - start
    assert float(moved.abs().max()) > 1e-5
    torch.testing.assert_close(
        plain.head.fcb.weight.detach() - start, moved, rtol=0.05, atol=0.05 * float(moved.abs().max())
    )
    before = workload.backbone.projection.state_dict()["weight"]
    change = cached.weights["projection.weight"].detach() - before
    assert float(change.abs().max()) > 0
    torch.testing.assert_close(
        plain.weights["projection.weight"].detach() - before,
        change,
        rtol=0.05,
        atol=0.05 * float(change.abs().max()),
    )
