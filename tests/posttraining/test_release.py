"""Released models: half the file size, equal results, and a card."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets import Dataset
from freeloc.errors import FreelocError
from freeloc.inference.localizer import Localizer
from freeloc.models.card import ModelCard
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.model import Model
from freeloc.posttraining.release import release

CARD = ModelCard("tiny", "0.1", "Eight shapes of generated scenes.", "none: they are generated")


@pytest.fixture(scope="module")
def released(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, released."""
    file = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    release(tiny_run, file, CARD)
    return file


def test_everything_but_the_rounding_stays(released: Path, tiny_run: Path) -> None:
    before, after = Model.load(tiny_run), Model.load(released)
    assert after.header.card == ModelFile.open(released).header.card == CARD
    assert (before.storage, after.storage) == ("float32", "float16")
    assert before.backbone_changes.keys() == after.backbone_changes.keys()
    changed = {"backbone_fingerprint", "card", "weights_digest"}
    for field in {field.name for field in dataclasses.fields(ModelHeader)} - changed:
        assert getattr(after.header, field) == getattr(before.header, field), field
    assert before.int8 is after.int8 is None
    weights = released.stat().st_size / (tiny_run / "model.safetensors").stat().st_size
    assert 0.5 < weights < 0.52


def test_the_answers_are_the_same(released: Path, tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    half = Localizer.load(released, runtime="openvino", precision="float32")
    for sample in tiny_scenes:
        found, wanted = half.predict(sample.path), tiny_localizer.predict(sample.path)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=0.01)
        np.testing.assert_allclose(found.maps, wanted.maps, atol=0.01)
        for one, other in zip(found, wanted, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=0.002)


def test_a_kept_network_starts_again(released: Path, tiny_scenes: Dataset) -> None:
    """The second start reads the graph cached by the first."""
    first, second = (
        Localizer.load(released, runtime="openvino", precision="float32").predict(tiny_scenes.samples[0].path)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.slow
def test_a_released_model_is_quantized_as_it_is(
    released: Path, tiny_training: Dataset, tmp_path: Path
) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    from freeloc.posttraining.quantize import quantize

    paths = [sample.path for sample in tiny_training]
    quantize(released, paths, out=tmp_path / "m", calibration_images=4, quiet=True)
    model = Model.load(tmp_path / "m")
    assert (model.header.card, model.storage) == (CARD, "float16")
    assert model.int8 is not None


def test_a_place_that_cannot_be_written(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match="cannot write"):
        release(tiny_run, tmp_path, CARD)
