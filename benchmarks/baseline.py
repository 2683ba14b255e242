"""The same model as a plain torch loop: what a person would write who has the paper and the weights."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from freeloc.geometry.grid import Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import ImageSource
from freeloc.inference.fusion import localize
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone

__all__ = ["PlainTorch"]


class PlainTorch:
    """Eager float32 torch, one image and one scale after the other.

    It is given every fairness that costs no thought: no gradients, all cores, and canvases in the channels-last
    layout in which they come, which torch's convolutions are faster on.

    Args:
        model: a trained head.
        backbone: its backbone, as it was before training or after.
        scales: the scales an image is looked at.
        padding: "square" as the paper pads; "stride" for the canvases freeloc itself uses.
        channels_last: keep the backbone's weights in channels-last layout too.
    """

    def __init__(
        self,
        model: Model,
        backbone: Backbone,
        *,
        scales: tuple[float, ...],
        padding: Padding = "square",
        channels_last: bool = False,
    ) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._backbone = copy.deepcopy(model.adapt_backbone(backbone)).float().eval()
        self._backbone.to(memory_format=layout)  # type: ignore[call-overload]
        self._head = copy.deepcopy(model.head).float().eval()
        self._model = model
        self._pyramid = Pyramid(scales, padding)

    @torch.inference_mode()
    def score_maps(self, image: ImageSource) -> list[ScoreMap]:
        """Raw maps of one image, one per scale, cut to the cells that look at it."""
        maps = []
        for grid, canvas in load_canvases(
            image, self._pyramid, self._backbone.layout, self._backbone.pad_color
        ):
            features = self._backbone(torch.from_numpy(canvas)[None])
            scores = self._head(self._backbone.projection(features))[0].numpy()
            maps.append(ScoreMap.of(scores[:, : grid.valid_rows, : grid.valid_cols], grid))
        return maps

    def predict(self, image: ImageSource, mode: LocationMode = "fused") -> Localization:
        """Scores, points and maps of every class."""
        path = Path(image) if isinstance(image, str | Path) else None
        maps = self.score_maps(image)
        return localize(
            maps, self._model.header.classes, mode=mode, pooling=self._model.header.pooling, path=path
        )
