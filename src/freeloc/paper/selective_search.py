"""Boxes that may hold an object, whatever it is: selective search, as the paper takes it for extents (section 6).

The search is OpenCV contrib's. It knows no class and learns nothing: boxes made with it are still boxes from tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from freeloc._typing import Float32Array
from freeloc.errors import FreelocError
from freeloc.images.decode import ImageSource, open_reduced
from freeloc.io.atomic import atomic_path
from freeloc.io.folders import cache_dir
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import track

__all__ = ["ProposalCache", "ProposalOptions", "propose_boxes", "selective_search"]

_VERSION = 1
"""Counts how proposals are made; those kept by another version are made again."""

Strategy = Literal["fast", "quality", "single"]


@dataclass(frozen=True, slots=True)
class ProposalOptions:
    """How boxes are proposed.

    Attributes:
        side: longest side of the image that is searched, in pixels. The search takes four times as long on
            twice the side and finds more small boxes; on 256 pixels 88% of VOC's objects are met at IoU 0.5.
        strategy: the search's own name for how many ways of grouping regions it tries.
        least: boxes with a side under so many pixels of the searched image are left out.
    """

    side: int = 256
    strategy: Strategy = "fast"
    least: int = 8

    def __post_init__(self) -> None:
        if self.side < 32 or self.least < 1:
            raise ValueError("proposals need images of 32 pixels or more, and boxes of 1 or more")

    @property
    def name(self) -> str:
        """All of it in one word, for files."""
        return f"selective-{self.strategy}-{self.side}-{self.least}-v{_VERSION}"


def selective_search(source: ImageSource, options: ProposalOptions | None = None) -> Float32Array:
    """Propose boxes for one image.

    Args:
        source: file, Pillow picture or array.
        options: how.

    Returns:
        (N, 4) float32 ``x1, y1, x2, y2``, edges in pixels of the upright original image, the largest first;
        no box twice.

    Raises:
        FreelocError: the image cannot be read, or OpenCV's contrib modules are not installed.
    """
    options = options or ProposalOptions()
    cv2 = _opencv()
    picture, image = open_reduced(source, options.side)
    share = min(1.0, options.side / image.longest)
    small = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    pixels = np.asarray(picture.resize(small, Image.Resampling.BILINEAR))
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(pixels[:, :, ::-1]))
    switch = {
        "fast": search.switchToSelectiveSearchFast,
        "quality": search.switchToSelectiveSearchQuality,
        "single": search.switchToSingleStrategy,
    }
    switch[options.strategy]()
    found = np.asarray(search.process(), dtype=np.float64).reshape(-1, 4)
    kept = found[(found[:, 2:] >= options.least).all(axis=1)]
    corners = np.concatenate([kept[:, :2], kept[:, :2] + kept[:, 2:]], axis=1)
    corners = np.unique(corners, axis=0)
    # The search ranks its boxes by chance in part, with no seed to set; the boxes are the same every time.
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    ordered = corners[np.argsort(-areas, kind="stable")]
    stretch = np.tile([image.width / small[0], image.height / small[1]], 2)
    boxes: Float32Array = (ordered * stretch).astype(np.float32)
    return boxes


@dataclass(frozen=True)
class ProposalCache:
    """A folder of proposals, one small file per image.

    Attributes:
        folder: where they lie; may be deleted at any time.
        options: how they were made.
    """

    folder: Path
    options: ProposalOptions

    @classmethod
    def open(cls, root: Path | None = None, options: ProposalOptions | None = None) -> ProposalCache:
        """The store of one way of proposing.

        Args:
            root: folder of caches; default: in the user's cache folder.
            options: how boxes are proposed.
        """
        options = options or ProposalOptions()
        return cls((root or cache_dir() / "proposals") / options.name, options)

    def boxes(self, path: Path, content: str) -> Float32Array:
        """Proposals of one image as `selective_search` gives them; made now if they are not there yet.

        Args:
            path: the image.
            content: hash of its file, see `freeloc.images.hashing.hash_images`.
        """
        entry = self.folder / content[:2] / f"{content}.npy"
        if (kept := _kept(entry)) is not None:
            return kept
        made = selective_search(path, self.options)
        with atomic_path(entry) as temporary, temporary.open("wb") as file:
            np.save(file, made, allow_pickle=False)
        return made


def propose_boxes(
    paths: Sequence[Path], contents: Sequence[str], store: ProposalCache, *, quiet: bool = False
) -> list[Float32Array]:
    """Proposals of many images, on all cores.

    Args:
        paths: the images.
        contents: the hash of each file.
        store: where they are kept.
        quiet: show no progress.

    Raises:
        FreelocError: as `selective_search`.
    """
    _opencv()
    pairs = list(zip(paths, contents, strict=True))
    made = prefetch(lambda pair: store.boxes(*pair), pairs)
    return list(track(made, "proposing boxes", len(pairs), quiet=quiet))


def _kept(entry: Path) -> Float32Array | None:
    """What a file holds; None where there is none, or a damaged one."""
    try:
        boxes: npt.NDArray[Any] = np.load(entry, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return boxes if boxes.dtype == np.float32 and boxes.ndim == 2 and boxes.shape[1] == 4 else None


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise FreelocError(
            "selective search needs OpenCV with its contrib modules: pip install 'freeloc[reproduce]'"
        ) from error
    if not hasattr(cv2, "ximgproc"):
        raise FreelocError(
            "this OpenCV has no contrib modules, which selective search needs: remove other OpenCV packages, then "
            "pip install --force-reinstall opencv-contrib-python-headless"
        )
    return cv2
