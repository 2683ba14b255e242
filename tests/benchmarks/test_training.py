"""The benchmarks of training on a handful of generated scenes: they run, and compare the same work."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import head_training, live_training
from benchmarks.head_training import open_course
from benchmarks.training_page import (
    BACKBONE,
    CACHED,
    CANVASES,
    EPOCH,
    FORWARD,
    PLAIN,
    SQUARES,
    training_blocks,
)
from freeloc.datasets import Dataset
from freeloc.training.recipe import Recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def record(
    tiny_training: Dataset, tmp_path_factory: pytest.TempPathFactory, module_threads: None
) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("bench")
    folder = tiny_training.samples[0].path.parent
    words = ["--quick", "--data", str(folder), "--split", "", "--backbone", "lite0", "--precision", "float32"]
    live_training.main([*words, "--out", str(out), "--images", "4"])
    head_training.main([*words, "--out", str(out)])
    found: dict[str, Any] = json.loads((out / "benchmarks.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def module_threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_what_was_timed(record: dict[str, Any]) -> None:
    head, live = record["head_training"], record["live_training"]
    assert (head["quick"], live["quick"]) == (True, True)
    assert head["seconds_per_epoch"].keys() == {SQUARES, PLAIN, CACHED, FORWARD}
    assert live["seconds"].keys() == {BACKBONE, EPOCH, CANVASES}
    assert head["times_faster"].keys() == {SQUARES, PLAIN}
    assert live["images"] == 4
    for section in (head["seconds_per_epoch"], live["seconds"]):
        assert all(spread["median"] > 0 for spread in section.values())
    # One round: the ratio is that of the two figures.
    seconds = head["seconds_per_epoch"]
    ratio = seconds[PLAIN]["median"] / seconds[CACHED]["median"]
    assert head["times_faster"][PLAIN]["median"] == pytest.approx(ratio, rel=0.01)


def test_the_page(record: dict[str, Any]) -> None:
    page = "\n\n".join(training_blocks(record))
    for name in (SQUARES, PLAIN, CACHED, FORWARD, BACKBONE, EPOCH, CANVASES):
        assert f"| {name} | " in page
    assert page.count("A quick run") == 2
    assert list(training_blocks({})) == []


def test_the_plain_loop_learns_what_freeloc_does(tiny_training: Dataset, tmp_path: Path) -> None:
    """Without dropout and on all cells both take the same steps, but for the cache's eleven bits."""
    changes = {"feature_dropout": 0.0, "hidden_dropout": 0.0, "cell_fraction": 1.0, "weight_decay": 0.0}
    recipe = dataclasses.replace(Recipe(), batch_size=2, scales=(0.4,), hidden=32, **changes)
    course = open_course(
        tiny_training, recipe, backbone="lite0", precision="float32", steps=2, cache=tmp_path / "cache"
    )
    plain, ours = course.begin(), course.begin()
    start = ours.head.fcb.weight.detach().clone()
    head_training._plain(course, plain)
    step = head_training.HeadTrainStep(
        ours.projection, ours.head, recipe, low_precision=False, device=torch.device("cpu")
    )
    head_training._cached(course, ours, step)
    moved = ours.head.fcb.weight.detach() - start
    assert float(moved.abs().max()) > 1e-5
    torch.testing.assert_close(
        plain.head.fcb.weight.detach() - start, moved, rtol=0.05, atol=0.05 * float(moved.abs().max())
    )
    before = course.backbone.projection.state_dict()["weight"]
    learned = ours.trained["projection.weight"].detach() - before
    assert float(learned.abs().max()) > 0
    torch.testing.assert_close(
        plain.trained["projection.weight"].detach() - before,
        learned,
        rtol=0.05,
        atol=0.05 * float(learned.abs().max()),
    )
