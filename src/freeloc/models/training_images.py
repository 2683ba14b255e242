"""Recognize the images that a model was trained on, by hashes in its manifest.

A dataset often differs from the one that a model was trained on only in some tags, or contains some of its images.
The manifest therefore contains a hash of 6 bytes for each training image, 8 characters of base64. Two different
files rarely have the same: with 50,000 training images and as many others, the probability that any do is 1 in
100,000.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from freeloc._typing import BoolArray
from freeloc.datasets.dataset import Dataset
from freeloc.images.image_info import ImageInfo
from freeloc.models.header import ModelHeader

__all__ = ["IMAGE_HASHES", "encode_images", "is_training_image", "lists_training_images"]

IMAGE_HASHES: Final = "image_hashes"
"""Key of the hashes in the description of the training data in the manifest."""

_BYTES: Final = 6

_MOST: Final = 50_000
"""Maximum number of hashes, 400 kB, so that models of very large datasets do not become large, too."""


def encode_images(image_info: Iterable[ImageInfo]) -> str:
    """Return the hashes of training images as text for the manifest.

    Of more than 50,000 images, those with the lowest hashes are kept.

    Args:
        image_info: size and content hash of each image.
    """
    hashes = sorted({_short_hash(info) for info in image_info})
    return b64encode(b"".join(hashes[:_MOST])).decode()


def lists_training_images(header: ModelHeader) -> bool:
    """Return whether a header contains the hashes of the training images; earlier versions did not store them."""
    return _stored_hashes(header) is not None


def is_training_image(header: ModelHeader, dataset: Dataset, image_info: Sequence[ImageInfo]) -> BoolArray:
    """Return (N,) whether a model was trained on each of N images, whatever their tags were then.

    Of a model that was trained on more than 50,000 images, 50,000 are known. If its header contains no hashes, the
    model is known to have been trained only on exactly the same images with the same tags.

    Args:
        header: header of the model.
        dataset: the N images and their tags.
        image_info: the value returned by the method `Dataset.image_info`.
    """
    known = _stored_hashes(header)
    if known is None:
        is_same = header.training_data.get("fingerprint") == dataset.content_fingerprint(image_info)
        return np.full(len(dataset), is_same)
    return np.array([_short_hash(info) in known for info in image_info], np.bool_)


def _stored_hashes(header: ModelHeader) -> frozenset[bytes] | None:
    text = header.training_data.get(IMAGE_HASHES)
    if not isinstance(text, str):
        return None
    try:
        stored = b64decode(text, validate=True)
    except ValueError:
        return None
    return frozenset(stored[start : start + _BYTES] for start in range(0, len(stored), _BYTES))


def _short_hash(info: ImageInfo) -> bytes:
    return hashlib.blake2b(info.content_hash.encode(), digest_size=_BYTES).digest()
