"""Write an evaluation gallery: a page with every evaluated image and its points, and the reduced images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from freeloc._literals import LocationMode
from freeloc._typing import BoolArray
from freeloc.datasets.dataset import Dataset
from freeloc.errors import DatasetOptionError
from freeloc.evaluation.annotations import ground_truth_of, has_boxes
from freeloc.evaluation.collect import Predictions
from freeloc.images.decode import open_reduced
from freeloc.images.hashed_image import HashedImage
from freeloc.images.image_info import read_image_info
from freeloc.io import atomic
from freeloc.io.folders import expand_user
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import pluralize, track
from freeloc.metrics import LocationOptions, Outcome, location_outcomes
from freeloc.metrics.point_matching import Outcomes
from freeloc.visualization.evaluation_gallery import (
    GalleryImage,
    GalleryPoint,
    PointOutcome,
    render_evaluation_gallery,
)
from freeloc.visualization.paged_gallery import picture_name, picture_path
from freeloc.writers.gallery import check_gallery_path

__all__ = ["check_evaluation_gallery", "check_has_boxes", "write_evaluation_gallery"]

_SIDE: Final = 256
"""Longest side of the reduced images, in pixels. They take about 11 KB."""

_QUALITY: Final = 70
_VERSION: Final = 1
"""Changes with how images are reduced, so that files of earlier versions are not used."""

_OUTCOMES: Final[dict[int, PointOutcome]] = {
    Outcome.HIT: "right",
    Outcome.MISS: "missed",
    Outcome.ABSENT: "absent",
}


def check_evaluation_gallery(path: Path) -> None:
    """Check, before a long-running job starts, that a gallery can be written to a path.

    Raises:
        ConfigurationError: the suffix is not that of an HTML file.
        OutputError: the page, or the folder of the reduced images, cannot be written.
    """
    check_gallery_path(path)
    atomic.check_output_folder(_folder_of(expand_user(path)))


def check_has_boxes(dataset: Dataset) -> None:
    """Check that points can be compared with annotated boxes.

    Raises:
        DatasetOptionError: the dataset has no boxes.
    """
    if not has_boxes(dataset):
        raise DatasetOptionError(
            f"{dataset.name} has no annotated boxes, so a gallery cannot tell which points are right: omit it",
            parameter="gallery",
        )


def write_evaluation_gallery(
    path: Path,
    predictions: Predictions,
    dataset: Dataset,
    *,
    mode: LocationMode = "fused",
    options: LocationOptions | None = None,
    content_hashes: Sequence[str] | None = None,
    quiet: bool = False,
) -> Path:
    """Write a page with every image of a dataset and the points of its classes.

    The page shows the points of the classes in each image, and of the absent classes that the model finds there:
    those whose probability reaches the threshold or, without probabilities, whose score is above 0. It can be
    filtered by class and outcome. Reduced images are written to the folder ``NAME_files`` beside ``NAME.html``;
    those that are there already are used again. An existing page is replaced.

    Args:
        path: the page, an HTML file.
        predictions: predictions for the images, with the classes of the dataset.
        dataset: the images, with annotated boxes.
        mode: location mode of the points.
        options: options of the location metric, which decides which points are right; None for the defaults.
        content_hashes: content hash of each image; None to read them from the files.
        quiet: whether to hide progress.

    Returns:
        The path of the page.

    Raises:
        ConfigurationError: the suffix of ``path`` is not that of an HTML file.
        DatasetError: an image has no boxes.
        ImageError: an image cannot be read.
        OutputError: a file cannot be written.
    """
    path = expand_user(path)
    check_evaluation_gallery(path)
    check_has_boxes(dataset)
    folder = _folder_of(path)
    if content_hashes is None:
        content_hashes = [info.content_hash for info in read_image_info([sample.path for sample in dataset])]
    files = [_name_of(content_hash) for content_hash in content_hashes]
    tasks = {
        file: _Reduction(HashedImage(sample.path, content_hash), folder / picture_path(file))
        for file, sample, content_hash in zip(files, dataset, content_hashes, strict=True)
    }
    missing = [task for task in tasks.values() if not task.target.is_file()]
    done = prefetch(_Reduction.run, missing, threads=os.cpu_count() or 1)
    for _ in track(done, "writing gallery", len(missing), quiet=quiet or not missing):
        pass
    ground_truth = ground_truth_of(dataset)
    outcomes = location_outcomes(
        predictions.points[mode], predictions.sizes, ground_truth, dataset.labels, options
    )
    shown = (outcomes == Outcome.HIT) | (outcomes == Outcome.MISS)
    shown |= (outcomes == Outcome.ABSENT) & _found(predictions)
    page = render_evaluation_gallery(
        f"{predictions.name} on {dataset.name}",
        _lead(dataset, outcomes, shown, calibrated=predictions.probabilities is not None),
        dataset.classes,
        _images(predictions, dataset, mode, outcomes, shown, files),
        os.fsencode(folder.name),
    )
    atomic.write_text(path, page)
    _delete_others(folder, set(files))
    return path


@dataclass(frozen=True, slots=True)
class _Reduction:
    """An image, and the file of its reduced copy."""

    image: HashedImage
    target: Path

    def run(self) -> None:
        """Write the reduced copy.

        The file is not flushed to the disk, which would take longer than everything else; after a power failure, a
        damaged copy may be left.
        """
        image, _ = open_reduced(self.image, _SIDE)
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
        with atomic.atomic_path(self.target) as temporary:
            image.save(temporary, "JPEG", quality=_QUALITY)


def _folder_of(page: Path) -> Path:
    return page.with_name(f"{page.stem}_files")


def _name_of(content_hash: str) -> str:
    return picture_name(f"{content_hash} {_SIDE} {_QUALITY} {_VERSION}")


def _found(predictions: Predictions) -> BoolArray:
    """Return the (N, K) pairs in which the model finds the class."""
    found: BoolArray = (
        predictions.scores > 0
        if predictions.probabilities is None or predictions.thresholds is None
        else predictions.probabilities >= predictions.thresholds
    )
    return found


def _lead(dataset: Dataset, outcomes: Outcomes, shown: BoolArray, *, calibrated: bool) -> list[str]:
    right, missed, absent = (
        int(((outcomes == kind) & shown).sum()) for kind in (Outcome.HIT, Outcome.MISS, Outcome.ABSENT)
    )
    rule = "probability reaches its threshold" if calibrated else "score is above 0"
    text = (
        f"{pluralize(len(dataset), 'image')}. A cross marks the point of a class. It is right if it lies on an "
        "object of the class, and wrong if it misses the object or the class is not in the image. Classes that "
        f"are not in the image are shown if their {rule}. {right:,} points are right, {missed:,} miss, and "
        f"{absent:,} are of classes that are not in the image. The images of a class are sorted by its score, "
        "highest first."
    )
    return [text]


def _images(
    predictions: Predictions,
    dataset: Dataset,
    mode: LocationMode,
    outcomes: Outcomes,
    shown: BoolArray,
    files: Sequence[str],
) -> Iterator[GalleryImage]:
    scores = predictions.scores if predictions.probabilities is None else predictions.probabilities
    points = predictions.points[mode]
    for index, sample in enumerate(dataset):
        labels = np.flatnonzero(shown[index])
        labels = labels[np.argsort(-scores[index, labels], kind="stable")]
        yield GalleryImage(
            sample.path.name,
            files[index],
            predictions.sizes[index],
            [
                GalleryPoint(
                    int(label),
                    _OUTCOMES[int(outcomes[index, label])],
                    float(points[index, label, 0]),
                    float(points[index, label, 1]),
                    float(scores[index, label]),
                )
                for label in labels
            ],
        )


def _delete_others(folder: Path, files: set[str]) -> None:
    """Delete the reduced images of an earlier gallery that the new one does not show."""
    for path in folder.glob("[0-9a-f][0-9a-f]/*.jpg"):
        if re.fullmatch(r"[0-9a-f]{20}", path.stem) and path.stem not in files:
            with suppress(OSError):
                path.unlink()
