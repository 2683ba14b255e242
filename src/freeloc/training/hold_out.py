"""Hold out a part of the training images for validation.

Images that belong together, such as the frames of a video or the images of one place, are alike. If some of them
were in training and others in validation, validation would overestimate the model. They are therefore kept
together where folders or file names show which images belong together (`image_groups`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.errors import DatasetOptionError, check_seed
from freeloc.io.progress import pluralize

__all__ = ["HeldOut", "hold_out", "image_groups"]

_MAX_GROUP: Final = 0.5
"""Maximum fraction of the images in one group. If a group is larger, the names do not divide the images."""

_MAX_ALONE: Final = 0.5
"""Maximum fraction of the images that are the only ones in their group."""

_MAX_HELD_OUT: Final = 0.35
"""Maximum fraction of the images held out if even the smallest group is larger than requested."""

_FRAME: Final = re.compile(r"(?P<prefix>.*[^\d])?\d+\Z")
"""A file name without suffix that ends in a number, such as ``kitchen_0012``."""

_FRAME_WORD: Final = re.compile(r"[\W_]*(frame|frm|img|image|shot|crop|aug|f)?[\W_]*\Z", re.IGNORECASE)
"""The end of a prefix that says nothing about the group, such as ``_frame`` in ``kitchen_frame0012``."""

_YEAR: Final = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A dataset divided into training and validation images.

    Attributes:
        training: the images to train on.
        validation: the images held out.
        grouped_by: "folder" or "name" if images with the same folder, or with file names that differ only in their
            number, were kept together; None if images were drawn one by one.
    """

    training: Dataset
    validation: Dataset
    grouped_by: str | None


def hold_out(dataset: Dataset, fraction: float, seed: int = 0) -> HeldOut:
    """Hold out a fraction of the images, with nearly the same fraction of the positives of each class.

    Every class that is present in at least one training image stays present in one. Files with equal content are
    kept together.

    Args:
        dataset: the images and their tags.
        fraction: fraction of the images to hold out, between 0 and 1.
        seed: seed of the draw; equal seeds hold out equal images.

    Raises:
        DatasetError: there are too few images to hold any out.
    """
    check_seed(seed)
    for kind, groups in image_groups(dataset).items():
        chosen = _choose(dataset, groups, fraction, seed)
        # Groups of which hardly any can be held out, such as one folder per class, do not suit the purpose.
        if kind is None or chosen.sum() >= 0.5 * fraction * len(dataset):
            break
    if not chosen.any():
        raise DatasetOptionError(
            f"cannot hold out {fraction:g} of {pluralize(len(dataset), 'image')} for validation: no image can be "
            "spared by training; pass separate validation images, or train without validation",
            parameter="val_split",
        )
    parts = []
    for name, wanted in ((dataset.name, False), (f"{dataset.name} (held out)", True)):
        samples = tuple(
            sample for sample, held in zip(dataset, chosen.tolist(), strict=True) if held == wanted
        )
        parts.append(replace(dataset, name=name, samples=samples))
    return HeldOut(parts[0], parts[1], kind)


def image_groups(dataset: Dataset) -> dict[str | None, npt.NDArray[np.intp]]:
    """Return the ways in which images belong together, most reliable first.

    Folders divide the images into groups if there are several, unless they correspond to classes or one of them
    contains most images. File names do so in the same way, if they differ only in their number within a group:
    ``kitchen_0012.jpg`` and ``kitchen_0013.jpg``. A year alone, as in ``2008_000012.jpg``, is not a group.

    Returns:
        For "folder" and "name", where they apply, and for None, which applies always, the (N,) index of the group
        of each image. With None, each image is its own group, except that files with equal content share one.
    """
    keys: dict[str | None, Sequence[Hashable]] = {
        "folder": [sample.path.parent for sample in dataset],
        "name": [_name_key(index, sample.path.stem) for index, sample in enumerate(dataset)],
    }
    groups = {kind: _numbered(values) for kind, values in keys.items()}
    found = {kind: group for kind, group in groups.items() if _divides(dataset, group)}
    equal = _numbered([sample.content_hash or index for index, sample in enumerate(dataset)])
    return {kind: _merged(group, equal) for kind, group in found.items()} | {None: equal}


def _name_key(index: int, stem: str) -> Hashable:
    """Return the part of a file name that names the group; the index of the image if there is none."""
    match = _FRAME.match(stem)
    prefix = _FRAME_WORD.sub("", match["prefix"] or "") if match else ""
    return index if not prefix or _YEAR.fullmatch(prefix) else prefix.casefold()


def _numbered(keys: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.intp)


def _merged(groups: npt.NDArray[np.intp], equal: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Merge the groups that contain files of equal content."""
    merged = groups.copy()
    for value, count in Counter(equal.tolist()).items():
        if count > 1:
            together = np.unique(merged[equal == value])
            merged[np.isin(merged, together)] = together[0]
    return merged


def _divides(dataset: Dataset, groups: npt.NDArray[np.intp]) -> bool:
    """Return whether groups divide the images in another way than the classes do."""
    sizes = np.bincount(groups)
    alone = (sizes[groups] == 1).mean()
    if len(sizes) < 3 or alone > _MAX_ALONE or sizes.max() > _MAX_GROUP * len(dataset):
        return False
    frequent = [column > 0 for column in dataset.labels.T if (column > 0).sum() > 1]
    spread = [len(np.unique(groups[present])) > 1 for present in frequent]
    return 2 * sum(spread) > len(spread)


def _choose(
    dataset: Dataset, groups: npt.NDArray[np.intp], fraction: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Return (N,) whether each image is held out.

    Groups are considered in random order. A group is held out if this brings the held-out positives of all
    classes, and the number of images, closer to the requested fraction. If all groups are too large for that, the
    one that comes closest is held out.
    """
    present = (dataset.labels == PRESENT).astype(np.int64)
    # The last column counts the images, so that images without any class are held out in proportion, too.
    counts = np.zeros((groups.max() + 1, present.shape[1] + 1), np.int64)
    np.add.at(counts, groups, np.column_stack([present, np.ones(len(present), np.int64)]))
    total = counts.sum(axis=0)
    wanted = fraction * total
    weight = 1 / np.maximum(total, 1)
    held, chosen = np.zeros(len(total)), np.zeros(len(counts), np.bool_)
    order = np.random.default_rng(seed).permutation(len(counts))
    # Every class must stay present in training.
    keeps_classes = ((counts < total) | (counts == 0)).all(axis=1)
    for index in order:
        after = held + counts[index]
        keeps_others = bool(((after < total) | (counts[index] == 0)).all())
        gain = (weight * (np.abs(held - wanted) - np.abs(after - wanted))).sum()
        if keeps_others and gain > 0:
            held, chosen[index] = after, True
    if not chosen.any():
        fits = keeps_classes & (counts[:, -1] <= _MAX_HELD_OUT * len(dataset))
        distance = (weight * np.abs(counts - wanted)).sum(axis=1)
        if fits.any():
            chosen[order[np.where(fits, distance, np.inf)[order].argmin()]] = True
    result: npt.NDArray[np.bool_] = chosen[groups]
    return result
