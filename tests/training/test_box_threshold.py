"""The box threshold of a trained model, compared with the model as users run it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.datasets import Dataset
from freeloc.inference.localizer import Localizer
from freeloc.models.header import DEFAULT_BOX_THRESHOLD
from freeloc.models.model import Model
from freeloc.training.box_threshold import box_threshold_from_tags


def test_a_training_ends_with_the_level_that_its_tags_tell(
    tiny_run: Path, tiny_localizer: Localizer, tiny_training: Dataset
) -> None:
    """Compute with the compiled network at the same scales, which differs by rounding and the cache's float16."""
    model = Model.load(tiny_run)
    seen = tiny_localizer.predict_many([sample.path for sample in tiny_training])
    responses = np.stack([localization.responses for localization in seen])
    assert model.header.box_threshold == pytest.approx(
        box_threshold_from_tags(responses, tiny_training.labels), abs=0.02
    )


def test_the_level_goes_with_the_model(tiny_run: Path, tiny_training: Dataset, tmp_path: Path) -> None:
    model = Model.load(tiny_run).with_header(box_threshold=0.37)
    model.save(tmp_path / "model.safetensors")
    image = tiny_training.samples[0].path
    # Traced the first time, loaded from the cache the second time.
    for _ in range(2):
        localizer = Localizer.load(tmp_path / "model.safetensors", precision="float32")
        assert localizer.predict(image).decision.box_threshold == 0.37


def test_the_level_is_where_images_without_the_class_end() -> None:
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((4000, 3)) < 0.3, 1, -1)
    responses = np.where(labels > 0, 0.8, rng.random((4000, 3)) * 0.28)
    responses[:, 2] = 0.5  # uninformative; the median of three is not affected
    box_threshold = box_threshold_from_tags(responses, labels)
    assert box_threshold == pytest.approx(0.28 * 0.995 / 0.8, abs=0.01)
    assert box_threshold_from_tags(responses, np.ones_like(labels)) == DEFAULT_BOX_THRESHOLD
