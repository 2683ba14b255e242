"""``overfeat``: the paper's backbone for COCO, OverFeat's accurate network (paper, section 4).

Sermanet et al., "OverFeat", ICLR 2014. The layers up to the second fully connected one are the body,
as in ``alexnet``; the classifier of 1000 classes is dropped.

**Windows.** The first fully connected layer reads 5×5 cells of the last pooled map, so every cell of the
backbone's map stands for one 221-pixel window; windows lie 2·3·2·3 = 36 pixels apart. A canvas side of ``s``
pixels gives exactly ``(s − 221) // 36 + 1`` cells, and window i covers the pixels from ``36·i`` to
``36·i + 221``, with its centre at ``110.5 + 36·i``.

**Padding.** Convolutions 3 to 6 pad one zero on each side of maps whose cells lie 12 pixels apart. On a canvas
of 221×221 the backbone equals the fixed-size network. On a larger one a window sees its neighbours' pixels in
place of the zeros, 48 on each side: a cell reads up to 317 pixels each way, around its window's centre. Moving
the image by 36 pixels moves the map by one cell from the third cell from either end on; nearer to the
border a cell also sees the zeros.

**Weights.** OverFeat's release holds them as ``net_weight_1``: float32 numbers in little-endian order and
nothing else, layer by layer, of each first the kernels (outputs, inputs, rows, columns), then the biases.
freeloc does not fetch them. Where the original network puts 10⁻⁶ in place of what is not above zero, this one
puts zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, Normalization

__all__ = ["WEIGHT_FILE_BYTES", "OverFeat", "load_overfeat"]

_WIDTH: Final = 4096
_MEAN: Final = 118.380948
_DEVIATION: Final = 61.896913
_NUMBER: Final = np.dtype("<f4")
_SOURCE: Final = "net_weight_1 of OverFeat's own release (github.com/sermanet/OverFeat, download_weights.py)"

WEIGHT_FILE_BYTES: Final = 578_625_952
"""Size of ``net_weight_1``: 144,656,488 numbers, the dropped classifier's included."""


class OverFeat(Backbone):
    """OverFeat's accurate network as a backbone, with random weights until some are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "overfeat"
        self.normalization = Normalization((_MEAN,) * 3, (_DEVIATION,) * 3)
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 96, 7, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=3)),
            *(nn.Conv2d(96, 256, 7), nn.ReLU(inplace=True), nn.MaxPool2d(2, stride=2)),
            *(nn.Conv2d(256, 512, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(512, 512, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(512, 1024, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(1024, 1024, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=3)),
            *(nn.Conv2d(1024, _WIDTH, 5), nn.ReLU(inplace=True)),
            *(nn.Conv2d(_WIDTH, _WIDTH, 1), nn.ReLU(inplace=True)),
        )
        self.projection = nn.Identity()
        self.channels = _WIDTH
        self.width = _WIDTH
        self.layout = CellLayout(stride=36, offset=110.5, window=221)

    def load_published(self, path: Path) -> None:
        """Read the weights of ``net_weight_1``; its last layer, the classifier, is left out.

        Raises:
            FreelocError: the file is missing, unreadable, or of another size.
        """
        _check_size(path)
        try:
            with path.open("rb") as file:
                # The file has kernels before biases, layer by layer, as torch lists a layer's parameters.
                for parameter in self.body.parameters():
                    numbers = np.fromfile(file, _NUMBER, parameter.numel())
                    kernels = torch.from_numpy(numbers.astype(np.float32, copy=False))
                    parameter.detach().copy_(kernels.view(parameter.shape))
        except (OSError, RuntimeError) as error:
            raise FreelocError(f"weight file {path} cannot be read ({error}): give {_SOURCE}") from error


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise FreelocError(f"weight file {path} does not exist: give --weights {_SOURCE}")
    found = path.stat().st_size
    if found != WEIGHT_FILE_BYTES:
        raise FreelocError(
            f"weight file {path} has {found} bytes where {WEIGHT_FILE_BYTES} belong: it is cut or another "
            f"file; give --weights {_SOURCE}"
        )


def load_overfeat(name: str = "overfeat", weights: str | None = None) -> Backbone:
    """Build the OverFeat backbone.

    Args:
        name: ``overfeat``.
        weights: ``net_weight_1`` of OverFeat's release, as a local file. There is no other source.

    Raises:
        FreelocError: no file is given, it is missing, unreadable, or of another size.
    """
    if weights is None:
        raise FreelocError(f"backbone {name} brings no weights and fetches none: give --weights {_SOURCE}")
    path = Path(weights)
    _check_size(path)  # before half a gigabyte of memory is filled
    backbone = OverFeat()
    backbone.load_published(path)
    backbone.freeze()
    return backbone
