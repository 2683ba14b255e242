"""Canvases for quantization calibration: images drawn at random, each at one or some of the model's scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.io.progress import track
from freeloc.models.header import ModelHeader
from freeloc.nn.backbones.base import Backbone
from freeloc.runtime.protocol import Canvas

__all__ = ["CalibrationCanvases"]

_MIN_CANVASES: Final = 192
"""Number of canvases below which an image is used at more than one scale."""


@dataclass(frozen=True, eq=False)
class CalibrationCanvases:
    """Canvases of images at some of the model's scales; every iteration computes them again.

    Attributes:
        canvases: the image and the scale of each canvas. Any number of them from the start come from as many
            images as possible, and use all scales about equally often.
        pyramid: all scales of the model, and how its canvases are made.
        backbone: the backbone, which determines the cell layout and the pad color.
        quiet: whether to hide progress.
        purpose: what progress says that they are read for.
    """

    canvases: Sequence[tuple[str | Path, float]]
    pyramid: Pyramid
    backbone: Backbone
    quiet: bool
    purpose: str = "measuring value ranges"

    @classmethod
    def draw(
        cls,
        images: Sequence[str | Path],
        count: int,
        header: ModelHeader,
        backbone: Backbone,
        seed: int,
        *,
        quiet: bool,
    ) -> CalibrationCanvases:
        """Draw images, and choose scales for each of them.

        The more images, the better the ranges of values are known. Each image is therefore used at one scale,
        unless there are few images.
        """
        generator = np.random.default_rng(seed)
        drawn = [images[int(index)] for index in generator.permutation(len(images))[:count]]
        scales = header.scales
        per_image = min(len(scales), -(-_MIN_CANVASES // len(drawn)))
        canvases = [
            (image, scales[(position + turn) % len(scales)])
            for turn in range(per_image)
            for position, image in enumerate(drawn)
        ]
        return cls(canvases, header.pyramid, backbone, quiet)

    def first(self, count: int, purpose: str) -> CalibrationCanvases:
        """Return the first canvases, which represent all of them, for another purpose."""
        return replace(self, canvases=self.canvases[:count], purpose=purpose)

    def __len__(self) -> int:
        return len(self.canvases)

    def __iter__(self) -> Iterator[Canvas]:
        # NNCF asks for nothing after the last canvas, so the bar is completed before that is passed on.
        previous: Canvas | None = None
        for canvas in track(self._load(), self.purpose, len(self), quiet=self.quiet):
            if previous is not None:
                yield previous
            previous = canvas
        if previous is not None:
            yield previous

    def _load(self) -> Iterator[Canvas]:
        layout, pad_color = self.backbone.layout, self.backbone.pad_color
        decode_scale = self.pyramid.decode_scale
        for image, scale in self.canvases:
            pyramid = self.pyramid.with_scales((scale,))
            for _grid, canvas in load_canvases(image, pyramid, layout, pad_color, decode_scale=decode_scale):
                yield canvas
