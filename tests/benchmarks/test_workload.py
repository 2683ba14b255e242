"""Workloads, the metrics of their results, and the shared options."""

import argparse
from pathlib import Path

import pytest
import torch

from benchmarks.workload import (
    QUICK,
    Amounts,
    Evaluator,
    add_options,
    amounts_of,
    default_data,
    open_workload,
    output_folder,
    positive,
    run,
    untrained_model,
)
from freeloc.datasets import Dataset
from freeloc.errors import DatasetError, FreelocError
from freeloc.evaluation.collect import collect
from freeloc.evaluation.evaluate import evaluate
from freeloc.evaluation.options import EvaluationOptions
from freeloc.inference.localizer import Localizer
from freeloc.nn.backbones.registry import load_backbone


def test_the_evaluator_agrees_with_evaluation(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    predictions = collect(tiny_localizer, tiny_scenes, "tiny", quiet=True)
    expected = evaluate([predictions], tiny_scenes, EvaluationOptions(resamples=1)).rows[0].measures
    evaluator = Evaluator.of(tiny_scenes)
    points = predictions.points["fused"]
    measured = {
        "classification": evaluator.classification(predictions.scores),
        "location": evaluator.location(points, predictions.scores),
        "pointing": evaluator.pointing(points),
    }
    for key, value in measured.items():
        assert value == pytest.approx(100 * expected[key].mean.estimate), key


def test_a_trained_model_with_its_backbone(tiny_coco: Path, tiny_run: Path) -> None:
    workload = open_workload(tiny_coco, tiny_run, split=None)
    assert workload.trained
    assert workload.backbone.name == "efficientnet_lite0"
    assert workload.to_dict()["hidden"] == 64
    again = open_workload(tiny_coco, tiny_run, split=None)
    assert workload.paths(6) == again.paths(6)
    assert sorted(workload.paths(6)) != workload.paths(6)
    assert len(workload.paths(2)) == 2


def test_an_untrained_head_replaces_a_missing_model(tiny_coco: Path) -> None:
    workload = open_workload(tiny_coco, None, split=None, backbone="efficientnet_lite0")
    assert not workload.trained
    assert workload.model.header.classes == workload.dataset.classes
    settings = workload.model.head.settings
    assert (settings.width, settings.hidden, settings.classes) == (1280, 2048, len(workload.dataset.classes))


def test_untrained_heads_are_equal() -> None:
    backbone = load_backbone("efficientnet_lite0")
    before = torch.random.get_rng_state()
    first, second = (untrained_model(backbone, ("a", "b"), hidden=8).head.state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before), "the global generator is not used"
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_missing_data_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FREELOC_TEST_DATA", raising=False)
    with pytest.raises(DatasetError, match="set --data FOLDER"):
        default_data()
    monkeypatch.setenv("FREELOC_TEST_DATA", "somewhere")
    assert default_data() == Path("somewhere/voc")


# --- options -------------------------------------------------------------------------------------------------


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_a_quick_run_does_not_replace_real_results() -> None:
    assert output_folder(parsed()) == Path("docs")
    assert output_folder(parsed("--quick")) == Path("build/bench")
    assert output_folder(parsed("--quick", "--out", "here")) == Path("here")
    assert amounts_of(parsed("--quick")) == QUICK
    assert amounts_of(parsed()) == Amounts()


def test_errors_are_printed_without_a_traceback() -> None:
    def fails() -> None:
        raise FreelocError("the folder does not exist")

    with pytest.raises(SystemExit, match=r"^error: the folder does not exist$"):
        run(fails)


@pytest.mark.parametrize("value", ["0", "-3"])
def test_counts_must_be_positive(value: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"must be at least 1, got {value}"):
        positive(value)
    assert positive("1") == 1
