"""Findings about the images of a dataset: small ones, and near-duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from freeloc.datasets.checks.findings import Finding
from freeloc.datasets.dataset import PRESENT, Dataset, Sample
from freeloc.geometry.size import REFERENCE_SIDE
from freeloc.images.perceptual_hash import find_similar, look_alike
from freeloc.io.progress import pluralize

__all__ = ["check_duplicates", "check_sizes"]

_MAX_COMPARED: Final = 400
"""Maximum number of pairs whose colors are compared; decoding two images takes a few milliseconds."""


def check_sizes(dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding if images are smaller than the network's canvas at scale 1, `REFERENCE_SIDE` pixels."""
    small = [
        (sample.size, sample.path.name)
        for sample in dataset
        if sample.size is not None and sample.size.longest < REFERENCE_SIDE
    ]
    if not small:
        return
    size, name = min(small, key=lambda item: item[0].longest)
    subject = "1 image is" if len(small) == 1 else f"{len(small)} of {len(dataset)} images are"
    yield Finding(
        "small_image",
        f"{subject} smaller than the network sees, {REFERENCE_SIDE} pixels on the longer side (the smallest is "
        f"{name}, {size.width} × {size.height}); use larger originals if there are any, because enlarging adds no "
        "detail",
    )


class _Image(NamedTuple):
    """An image to compare, with its tags and the split that contains it."""

    sample: Sample
    split: str
    tags: str

    def __str__(self) -> str:
        return f"{self.sample.path} ({self.tags})"


def check_duplicates(dataset: Dataset, others: Sequence[Dataset] = ()) -> Iterator[Finding]:
    """Yield the findings about near-duplicates: images with other tags, and images on both sides of a split.

    Images are compared if their perceptual hash is known (`freeloc.datasets.options.DatasetChecks.for_check`).

    Args:
        dataset: the dataset.
        others: other splits with the same classes.
    """
    images = [
        _Image(sample, sample.split or part.name, _tags(sample, part.classes))
        for part in (dataset, *others)
        for sample in part
        if sample.perceptual_hash is not None
    ]
    contradicting: list[str] = []
    divided: list[str] = []
    for one, other in _duplicates(images):
        if _contradict(one.sample, other.sample):
            contradicting.append(f"{one} and {other}")
        if one.split != other.split:
            divided.append(f"{one.sample.path} in {one.split} and {other.sample.path} in {other.split}")
    if contradicting:
        yield Finding(
            "contradicting_duplicates",
            f"{pluralize(len(contradicting), 'pair')} of images look the same but have different tags; correct "
            "the tags, or remove one image of each pair, because the model is told two things about one image",
            tuple(contradicting),
        )
    if divided:
        yield Finding(
            "divided_duplicates",
            f"{pluralize(len(divided), 'pair')} of images look the same but are in different splits; keep each "
            "pair in one split, because otherwise the model is tested on what it was trained on",
            tuple(divided),
        )


def _duplicates(images: Sequence[_Image]) -> Iterator[tuple[_Image, _Image]]:
    """Yield all pairs of images that look the same and have different tags or splits."""
    compared = 0
    for first, second in find_similar([image.sample.perceptual_hash or 0 for image in images]).tolist():
        one, other = images[first], images[second]
        if one.split == other.split and not _contradict(one.sample, other.sample):
            continue
        if one.sample.content_hash != other.sample.content_hash:
            compared += 1
            if compared > _MAX_COMPARED or not look_alike(one.sample.path, other.sample.path):
                continue
        yield one, other


def _contradict(one: Sample, other: Sample) -> bool:
    """Return whether a class is present in one image and absent from the other."""
    return bool((one.labels * other.labels < 0).any())


def _tags(sample: Sample, classes: Sequence[str]) -> str:
    return ", ".join(classes[label] for label in (sample.labels == PRESENT).nonzero()[0]) or "no tag"
