"""What is measured, and what it is measured by."""

from pathlib import Path

import pytest
import torch

from benchmarks.subject import Truth, default_data, fresh_model, open_subject
from freeloc.datasets import Dataset
from freeloc.errors import FreelocError
from freeloc.evaluation.collect import collect
from freeloc.evaluation.evaluate import evaluate
from freeloc.evaluation.options import EvaluationOptions
from freeloc.inference.localizer import Localizer
from freeloc.nn.backbones.registry import load_backbone


def test_truth_measures_what_evaluation_measures(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    predictions = collect(tiny_localizer, tiny_scenes, "tiny", quiet=True)
    expected = evaluate([predictions], tiny_scenes, EvaluationOptions(resamples=1)).rows[0].measures
    truth = Truth.of(tiny_scenes.samples)
    points = predictions.points["fused"]
    measured = {
        "classification": truth.classification(predictions.scores),
        "location": truth.location(points, predictions.scores),
        "pointing": truth.pointing(points),
    }
    for key, value in measured.items():
        assert value == pytest.approx(100 * expected[key].mean.estimate), key


def test_a_trained_model_brings_its_backbone(tiny_coco: Path, tiny_run: Path) -> None:
    subject = open_subject(tiny_coco, tiny_run, split=None)
    assert subject.trained
    assert subject.backbone.name == "efficientnet_lite0"
    assert subject.as_json()["hidden"] == 64
    again = open_subject(tiny_coco, tiny_run, split=None)
    assert subject.paths(6) == again.paths(6)
    assert sorted(subject.paths(6)) != subject.paths(6)
    assert len(subject.paths(2)) == 2


def test_a_fresh_head_stands_in_for_a_trained_one(tiny_coco: Path) -> None:
    subject = open_subject(tiny_coco, None, split=None, backbone="efficientnet_lite0")
    assert not subject.trained
    assert subject.model.header.classes == subject.dataset.classes
    settings = subject.model.head.settings
    assert (settings.width, settings.hidden, settings.classes) == (1280, 2048, len(subject.dataset.classes))


def test_fresh_heads_are_all_the_same() -> None:
    backbone = load_backbone("efficientnet_lite0")
    before = torch.random.get_rng_state()
    first, second = (fresh_model(backbone, ("a", "b"), hidden=8).head.state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before), "nobody else's dice are touched"
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_without_images_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FREELOC_TEST_DATA", raising=False)
    with pytest.raises(FreelocError, match="give --data FOLDER"):
        default_data()
    monkeypatch.setenv("FREELOC_TEST_DATA", "somewhere")
    assert default_data() == Path("somewhere/voc")
