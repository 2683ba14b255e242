"""The hashes by which a model recognizes its training images."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.geometry.size import Size
from freeloc.images.image_info import ImageInfo
from freeloc.models import training_images
from freeloc.models.header import ModelHeader
from freeloc.models.training_images import encode_images, is_training_image, lists_training_images
from freeloc.nn.head_settings import HeadSettings


def infos(*names: str) -> list[ImageInfo]:
    return [ImageInfo(Size(4, 3), name) for name in names]


def dataset(count: int) -> Dataset:
    labels = np.array([1], np.int8)
    return Dataset("data", ("dog",), tuple(Sample(Path(f"{index}.png"), labels) for index in range(count)))


def header(data: dict[str, Any]) -> ModelHeader:
    return ModelHeader(
        backbone="tiny",
        backbone_fingerprint="ab" * 32,
        classes=("dog",),
        head=HeadSettings(8, 1, 4),
        scales=(1.0,),
        manifest={"data": data},
    )


def test_images_are_recognized_by_their_content() -> None:
    trained = header({"image_hashes": encode_images(infos("a", "b", "b", "é"))})
    assert lists_training_images(trained)
    found = is_training_image(trained, dataset(4), infos("b", "c", "é", "B"))
    assert found.tolist() == [True, False, True, False]
    assert len(b64decode(trained.training_data["image_hashes"])) == 3 * 6


def test_the_order_of_the_images_is_not_stored() -> None:
    names = [str(number) for number in range(50)]
    assert encode_images(infos(*names)) == encode_images(infos(*names[::-1]))


def test_of_many_images_some_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_images, "_MOST", 10)
    images = infos(*(str(number) for number in range(40)))
    trained = header({"image_hashes": encode_images(images)})
    assert is_training_image(trained, dataset(40), images).sum() == 10


@pytest.mark.parametrize("stored", [None, 7, "no base64 ü", "%%%%"])
def test_without_hashes_only_the_same_dataset_is_recognized(stored: object) -> None:
    images = infos("a", "b")
    trained = header({"fingerprint": dataset(2).content_fingerprint(images), "image_hashes": stored})
    assert not lists_training_images(trained)
    assert is_training_image(trained, dataset(2), images).tolist() == [True, True]
    assert is_training_image(trained, dataset(2), infos("a", "c")).tolist() == [False, False]
    other = replace(dataset(2), classes=("cat",))
    assert is_training_image(trained, other, images).tolist() == [False, False]
