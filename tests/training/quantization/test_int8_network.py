"""Training that ends with an int8 network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from freeloc.datasets.dataset import Dataset
from freeloc.errors import MissingDependencyError
from freeloc.inference.localizer import Localizer
from freeloc.models.model import Model
from freeloc.training import train as module
from freeloc.training.quantization import requirements
from tests.training.small_run import COUNT, assert_equal, weights

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_finished_run_gets_one_and_keeps_its_weights(
    quick: Callable[..., Model],
    scenes: Dataset,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    run = tmp_path / "run"
    shutil.copytree(reference, run)
    model = quick(scenes, run, resume=True, int8=True)
    assert model.int8 is not None
    assert model.header.int8 is not None
    assert model.header.int8["images"] == COUNT, "the training images, as there are fewer than it draws"
    assert model.header.int8["seed"] == 3
    stored = Model.load(run)
    assert stored.int8 is not None
    assert stored.int8.digest() == model.int8.digest()
    assert_equal(weights(run), weights(reference))
    localizer = Localizer.load(run, precision="int8", runtime="openvino")
    assert localizer.predict(scenes.samples[0].path).scores.shape == (len(scenes.classes),)
    before = (run / "model.safetensors").read_bytes()
    monkeypatch.setattr(module, "add_int8_network", None)  # nothing is created a second time
    quick(scenes, run, resume=True, int8=True)
    assert (run / "model.safetensors").read_bytes() == before


def test_nncf_is_missing(
    quick: Callable[..., Model], scenes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'freeloc\[int8\]'"):
        quick(scenes, tmp_path / "run", int8=True)
    assert not list(tmp_path.rglob("*.safetensors")), "it is noticed before training"
