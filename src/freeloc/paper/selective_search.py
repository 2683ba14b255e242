"""Object proposals by selective search, which the paper uses to find the extents of objects (section 6).

The implementation is the one in OpenCV's contrib modules. Selective search is not trained and knows no classes,
so selecting boxes from its proposals requires no supervision other than tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from freeloc._log import get_logger
from freeloc._typing import Float32Array
from freeloc.errors import MissingDependencyError
from freeloc.features.entry_file import DAMAGE, map_entry, write_entry
from freeloc.images.decode import ImageSource, open_reduced
from freeloc.images.hashed_image import HashedImage
from freeloc.io.folders import cache_dir, expand_user
from freeloc.io.limits import check_resources
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import track

__all__ = ["ProposalCache", "ProposalOptions", "propose_boxes", "selective_search"]

_log = get_logger(__name__)

_VERSION = 2
"""Version of the algorithm and its cache; proposals of another version are recomputed. Since version 2, cached
proposals have a checksum."""

Strategy = Literal["fast", "quality", "single"]


@dataclass(frozen=True, slots=True)
class ProposalOptions:
    """Options for proposing boxes.

    Attributes:
        side: longest side to which the image is reduced before the search, in pixels. Doubling it quadruples the
            time and yields more small boxes; at 256 pixels, 88% of the objects in VOC have a proposal with an IoU
            of at least 0.5.
        strategy: OpenCV's name for the set of grouping strategies.
        min_side: minimum width and height of a box, in pixels of the reduced image; smaller boxes are discarded.
    """

    side: int = 256
    strategy: Strategy = "fast"
    min_side: int = 8

    def __post_init__(self) -> None:
        if self.side < 32 or self.min_side < 1:
            raise ValueError("side must be at least 32 pixels, and min_side at least 1")

    @property
    def name(self) -> str:
        """A single word that encodes all options, for file names."""
        return f"selective-{self.strategy}-{self.side}-{self.min_side}-v{_VERSION}"


def selective_search(source: ImageSource, options: ProposalOptions | None = None) -> Float32Array:
    """Propose boxes for one image.

    Args:
        source: file, Pillow image or array.
        options: options of the search; None for the defaults.

    Returns:
        (N, 4) float32 box edges ``x1, y1, x2, y2`` in image coordinates, largest box first, without duplicates.

    Raises:
        ImageError: the image cannot be read.
        MissingDependencyError: OpenCV's contrib modules are not installed.
    """
    options = options or ProposalOptions()
    cv2 = _import_opencv()
    image, size = open_reduced(source, options.side)
    ratio = min(1.0, options.side / size.longest)
    reduced = (max(1, round(size.width * ratio)), max(1, round(size.height * ratio)))
    pixels = np.asarray(image.resize(reduced, Image.Resampling.BILINEAR))
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(pixels[:, :, ::-1]))
    switch = {
        "fast": search.switchToSelectiveSearchFast,
        "quality": search.switchToSelectiveSearchQuality,
        "single": search.switchToSingleStrategy,
    }
    switch[options.strategy]()
    found = np.asarray(search.process(), dtype=np.float64).reshape(-1, 4)
    kept = found[(found[:, 2:] >= options.min_side).all(axis=1)]
    corners = np.concatenate([kept[:, :2], kept[:, :2] + kept[:, 2:]], axis=1)
    corners = np.unique(corners, axis=0)
    # OpenCV returns the boxes in a partly random order that cannot be seeded, so they are sorted here. The set of
    # boxes is deterministic.
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    ordered = corners[np.argsort(-areas, kind="stable")]
    scale = np.tile([size.width / reduced[0], size.height / reduced[1]], 2)
    boxes: Float32Array = (ordered * scale).astype(np.float32)
    return boxes


@dataclass(frozen=True)
class ProposalCache:
    """A folder of cached proposals, with one small file per image.

    Attributes:
        folder: the folder; it may be deleted at any time.
        options: options of the search.
    """

    folder: Path
    options: ProposalOptions

    @classmethod
    def open(cls, root: Path | None = None, options: ProposalOptions | None = None) -> ProposalCache:
        """Open the cache for proposals computed with the given options.

        Args:
            root: parent folder of the caches; default: ``proposals`` in the user's cache folder.
            options: options of the search; None for the defaults.
        """
        options = options or ProposalOptions()
        folder = cache_dir() / "proposals" if root is None else expand_user(root)
        return cls(folder / options.name, options)

    def boxes(self, path: Path, content: str) -> Float32Array:
        """Return the proposals of one image, from the cache if possible; see `selective_search`.

        Args:
            path: the image.
            content: content hash of the image file; see `freeloc.io.content_hash`.
        """
        entry = self.folder / content[:2] / f"{content}.npy"
        identity = f"{self.folder.name}/{entry.name}"
        if (cached := _load(entry, identity)) is not None:
            return cached
        boxes = selective_search(HashedImage(path, content), self.options)
        write_entry(entry, boxes, identity)
        return boxes


def propose_boxes(
    paths: Sequence[Path], contents: Sequence[str], cache: ProposalCache, *, quiet: bool = False
) -> list[Float32Array]:
    """Propose boxes for many images, using all cores.

    Args:
        paths: the images.
        contents: content hash of each image file.
        cache: cache from which proposals are read and to which new ones are written.
        quiet: whether to hide progress.

    Raises:
        ImageError: an image cannot be read.
        MissingDependencyError: OpenCV's contrib modules are not installed.
    """
    _import_opencv()
    pairs = list(zip(paths, contents, strict=True))
    boxes = prefetch(lambda pair: cache.boxes(*pair), pairs)
    return list(track(boxes, "proposing boxes", len(pairs), quiet=quiet))


def _load(entry: Path, identity: str) -> Float32Array | None:
    """Load cached boxes; None if the file is missing or damaged, which is logged."""
    try:
        boxes, _version = map_entry(entry, identity)
        if boxes.dtype != np.float32 or boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"it contains an array of type {boxes.dtype} and shape {boxes.shape}")
    except FileNotFoundError:
        return None
    except (*DAMAGE, OSError) as error:
        check_resources(error)
        _log.warning("%s is damaged (%s), so the boxes are proposed again", entry, error)
        return None
    return np.array(boxes)  # a memory-mapped array keeps its file open


def _import_opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            "selective search requires OpenCV with its contrib modules: run pip install 'freeloc[reproduce]'",
            extra="reproduce",
        ) from error
    if not hasattr(cv2, "ximgproc"):
        raise MissingDependencyError(
            "the installed OpenCV lacks the contrib modules, which selective search requires: uninstall all "
            "OpenCV packages, then run pip install opencv-contrib-python-headless",
            extra="reproduce",
        )
    return cv2
