"""Fuzz images of every format."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np

from freeloc.errors import ImageError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import EncodedImage, load_image, read_image_size
from freeloc.images.image_info import read_image_info
from freeloc.images.jpeg_end import has_end_marker
from freeloc.images.verify import check_header, verify_images
from tests.fuzz.image_mutations import change_image
from tests.fuzz.image_seeds import SEEDS
from tests.fuzz.mutations import count_changes
from tests.fuzz.target import Target, require

__all__ = ["Images"]

_LAYOUT = CellLayout(32, 16.0)


class Images(Target):
    """Images, read in every way that freeloc has."""

    def make(self, rng: Random, folder: Path) -> None:
        """Write an image with some changes."""
        seeds, weights = zip(*SEEDS, strict=True)
        data = change_image(rng, rng.choices(seeds, weights)[0](rng), count_changes(rng, 5))
        (folder / rng.choice(("image.jpg", "image.png", "image"))).write_bytes(data)

    def use(self, rng: Random, folder: Path) -> None:
        """Read the image's size, check it, decode it and make canvases; all must agree."""
        (path,) = folder.iterdir()
        data = path.read_bytes()
        sources: tuple[EncodedImage, ...] = (path, str(path), data, BytesIO(data))
        source = rng.choice(sources)
        checked = next(iter(verify_images([path], quiet=True)))
        try:
            image = load_image(source)
        except ImageError as error:
            told = f"verify_images accepts what load_image refuses: {error}"
            require(isinstance(checked, ImageError), told)
            raise
        if isinstance(checked, ImageError):
            truncated = data.startswith(b"\xff\xd8") and not has_end_marker(BytesIO(data))
            require(truncated, f"verify_images refuses what load_image accepts: {checked}")
            raise checked
        require(
            image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, "the image is not 8-bit RGB"
        )
        size = Size(image.shape[1], image.shape[0])
        require(checked.size == size, f"verify_images says {checked.size}, load_image {size}")
        require(read_image_size(path) == size, "read_image_size is wrong")
        require(check_header(path) == size, "check_header is wrong")
        (info,) = read_image_info([path])
        require(info == checked, f"read_image_info says {info}, verify_images {checked}")
        if size.width * size.height < 10**6:
            pyramid = Pyramid((0.1, 0.5), rng.choice(("stride", "square")))
            for grid, canvas in load_canvases(path, pyramid, _LAYOUT, (1, 2, 3)):
                require(
                    canvas.shape == (grid.canvas.height, grid.canvas.width, 3),
                    "the canvas has the wrong shape",
                )
