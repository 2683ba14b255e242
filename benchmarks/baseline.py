"""The same model as a plain torch loop: what a person would write who has the paper and the weights."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from freeloc.canvas import lay_out
from freeloc.geometry import Padding, Pyramid
from freeloc.localization import Localization, LocationMode, ScaleMap, localize
from freeloc.model import Model
from freeloc.photographs import PhotographSource
from freeloc.trunks.base import Trunk

__all__ = ["PlainTorch"]


class PlainTorch:
    """Eager float32 torch, one photograph and one scale after the other.

    It is given every fairness that costs no thought: no gradients, all cores, and canvases in the channels-last
    layout in which they come, which torch's convolutions are faster on.

    Args:
        model: a trained head.
        trunk: its trunk, as it was before training or after.
        scales: the scales a photograph is looked at.
        padding: "square" as the paper pads; "stride" for the canvases freeloc itself uses.
        channels_last: keep the trunk's weights in channels-last layout too.
    """

    def __init__(
        self,
        model: Model,
        trunk: Trunk,
        *,
        scales: tuple[float, ...],
        padding: Padding = "square",
        channels_last: bool = False,
    ) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._trunk = copy.deepcopy(model.adapted(trunk)).float().eval()
        self._trunk.to(memory_format=layout)  # type: ignore[call-overload]
        self._head = copy.deepcopy(model.head).float().eval()
        self._model = model
        self._pyramid = Pyramid(scales, padding)

    @torch.inference_mode()
    def score_maps(self, photo: PhotographSource) -> list[ScaleMap]:
        """Raw maps of one photograph, one per scale, cut to the cells that look at it."""
        maps = []
        for grid, canvas in lay_out(photo, self._pyramid, self._trunk.layout, self._trunk.fill):
            features = self._trunk(torch.from_numpy(canvas)[None])
            scores = self._head(self._trunk.projection(features))[0].numpy()
            maps.append(ScaleMap.of(scores[:, : grid.valid_rows, : grid.valid_cols], grid))
        return maps

    def predict(self, photo: PhotographSource, mode: LocationMode = "fused") -> Localization:
        """Scores, points and maps of every class."""
        path = Path(photo) if isinstance(photo, str | Path) else None
        maps = self.score_maps(photo)
        return localize(maps, self._model.classes, mode=mode, pooling=self._model.pooling, path=path)
