"""``overfeat``: the shape of the paper's trunk for MS COCO, OverFeat's accurate network (paper, section 5).

**Windows.** The first fully connected layer reads 5×5 cells of the last pooled map, so every cell of the output
stands for one 221-pixel window; windows lie 36 pixels apart (paper, footnote 1). A canvas side of ``s`` pixels
gives ``(s − 221) // 36 + 1`` cells, and window i has its centre at ``110.5 + 36·i``. The paper's tolerance of 18
pixels is half of this stride.

**Padding.** The third to the sixth convolution pad with zeros. As in `freeloc.trunks.alexnet`, a window on a
larger canvas sees its neighbours where the fixed-size network sees zeros.

**Weights.** OverFeat's authors published them as one file of bare float32 numbers, ``net_weight_1``, with no names
and no header: layer by layer the kernels (outputs, inputs, rows, columns) and then the biases, the classifier
last. freeloc reads that file where a user has one and downloads nothing. Numbers without names can only be told by
how many they are, so the size has to be right to the byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from freeloc.errors import FreelocError
from freeloc.geometry import CellLayout
from freeloc.trunks.base import Normalization, Trunk

__all__ = ["OverFeat", "load_overfeat"]

_MEAN: Final = 118.380948
_DEVIATION: Final = 61.896913
_WIDTH: Final = 4096
_CLASSIFIER: Final = 1000 * _WIDTH + 1000
"""Weights and biases of the last layer, which the trunk leaves out."""


class OverFeat(Trunk):
    """OverFeat's accurate network as a trunk, with random weights until some are loaded.

    As in `freeloc.trunks.alexnet.AlexNet`, everything up to the last but one fully connected layer is the body.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = "overfeat"
        self.normalization = Normalization((_MEAN, _MEAN, _MEAN), (_DEVIATION, _DEVIATION, _DEVIATION))
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 96, 7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3)),
            *(nn.Conv2d(96, 256, 7), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(256, 512, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(512, 512, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(512, 1024, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(1024, 1024, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3)),
            *(nn.Conv2d(1024, _WIDTH, 5), nn.ReLU(inplace=True)),
            *(nn.Conv2d(_WIDTH, _WIDTH, 1), nn.ReLU(inplace=True)),
        )
        self.projection = nn.Identity()
        self.channels = _WIDTH
        self.width = _WIDTH
        self.layout = CellLayout(stride=36, offset=110.5, window=221)

    @property
    def file_bytes(self) -> int:
        """Size of the published file: this trunk's numbers and the classifier's."""
        return 4 * (sum(weight.numel() for weight in self.parameters()) + _CLASSIFIER)

    def load_published(self, path: Path) -> None:
        """Copy the numbers of a published weight file; those of the classifier are left out.

        Args:
            path: bare little-endian float32 numbers.

        Raises:
            FreelocError: there is no such file, or it is not of the right size.
        """
        try:
            size = path.stat().st_size
            if size != self.file_bytes:
                raise FreelocError(
                    f"weight file {path} has {size} bytes instead of the {self.file_bytes} of OverFeat's accurate "
                    "network: give the file net_weight_1 of OverFeat's release, unpacked"
                )
            numbers = np.fromfile(path, "<f4", count=size // 4 - _CLASSIFIER)
        except OSError as error:
            raise FreelocError(
                f"weight file {path} cannot be read ({error.strerror or error}): give --weights the file "
                "net_weight_1 of OverFeat's release"
            ) from error
        start = 0
        with torch.no_grad():
            for weight in self.parameters():  # of every layer the kernels, then the biases
                part = torch.from_numpy(
                    numbers[start : start + weight.numel()].astype(np.float32, copy=False)
                )
                weight.copy_(part.view(weight.shape))
                start += weight.numel()


def load_overfeat(name: str = "overfeat", weights: str | None = None) -> Trunk:
    """Build the OverFeat trunk with its published weights.

    Args:
        name: ``overfeat``.
        weights: the file ``net_weight_1`` of OverFeat's release.

    Raises:
        FreelocError: no file is given, or it does not fit.
    """
    if weights is None:
        raise FreelocError(
            f"the weights of trunk {name} are not downloaded: give --weights the file net_weight_1 of OverFeat's "
            "release"
        )
    trunk = OverFeat()
    trunk.load_published(Path(weights))
    trunk.freeze()
    return trunk
