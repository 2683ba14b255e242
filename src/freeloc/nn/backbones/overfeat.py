"""``overfeat``: the paper's backbone for COCO, OverFeat's accurate network (paper, section 4).

Sermanet et al., "OverFeat", ICLR 2014. As in ``alexnet``, the body consists of the layers up to the second fully
connected one; the 1000-class classifier is left out.

**Windows.** The first fully connected layer reads 5×5 cells of the last pooled map, so every cell of the
backbone's map corresponds to one 221-pixel window; windows are 2·3·2·3 = 36 pixels apart. A canvas side of ``s``
pixels has exactly ``(s − 221) // 36 + 1`` cells, and window i covers the pixels from ``36·i`` to ``36·i + 221``,
with its center at ``110.5 + 36·i``.

**Padding.** Convolutions 3 to 6 pad their input maps, whose cells are 12 pixels apart, with one zero on each side.
On a canvas of 221×221 pixels, the backbone is equivalent to the fixed-size network. On a larger canvas, the 48
pixels on each side of a window replace these zeros: a cell reads up to 317 pixels along each axis, centered on its
window. Shifting the image by 36 pixels shifts the map by one cell, except in the outermost two cells at either
end, which also read zeros.

**Weights.** OverFeat's release contains the weights in the file ``net_weight_1``: little-endian float32 values
without a header, layer by layer, first the kernels (outputs, inputs, rows, columns), then the biases. freeloc does
not download this file. The original network replaces activations of 0 or less with 10⁻⁶; this one replaces them
with 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from freeloc.errors import BackboneError
from freeloc.geometry.grid import CellLayout
from freeloc.io.limits import check_resources
from freeloc.io.paths import why_not_a_file
from freeloc.io.permissions import is_forbidden
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.weight_files import forbidden, not_a_weight_file

__all__ = ["WEIGHT_FILE_BYTES", "OverFeat", "load_overfeat"]

_WIDTH: Final = 4096
_MEAN: Final = 118.380948
_DEVIATION: Final = 61.896913
_NUMBER: Final = np.dtype("<f4")
_SOURCE: Final = "net_weight_1 of OverFeat's own release (github.com/sermanet/OverFeat, download_weights.py)"

WEIGHT_FILE_BYTES: Final = 578_625_952
"""Size of ``net_weight_1`` in bytes: 144,656,488 float32 values, including the classifier."""


class OverFeat(Backbone):
    """OverFeat's accurate network as a backbone, with random weights until `load_published` is called."""

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
        """Read the weights from ``net_weight_1``, leaving out its last layer, the classifier.

        Raises:
            BackboneError: the file is missing, is unreadable, or has the wrong size.
        """
        _check_size(path)
        try:
            with path.open("rb") as file:
                # The file and torch's list of parameters are in the same order: layer by layer, kernels before
                # biases.
                for parameter in self.body.parameters():
                    numbers = np.fromfile(file, _NUMBER, parameter.numel())
                    kernels = torch.from_numpy(numbers.astype(np.float32, copy=False))
                    parameter.detach().copy_(kernels.view(parameter.shape))
        except (OSError, RuntimeError) as error:
            check_resources(error)
            if is_forbidden(path, error):
                raise forbidden(path) from error
            raise BackboneError(
                f"weight file {path} cannot be read ({error}): specify {_SOURCE}", parameter="weights"
            ) from error


def _check_size(path: Path) -> None:
    if (reason := why_not_a_file(path, missing="does not exist")) is not None:
        raise not_a_weight_file(path, reason, _SOURCE)
    size = path.stat().st_size
    if size != WEIGHT_FILE_BYTES:
        raise BackboneError(
            f"weight file {path} has {size} bytes instead of {WEIGHT_FILE_BYTES}: it is truncated or a different "
            f"file; specify {_SOURCE}",
            parameter="weights",
        )


def load_overfeat(name: str = "overfeat", weights: Path | None = None) -> Backbone:
    """Load the OverFeat backbone.

    Args:
        name: ``overfeat``.
        weights: the file ``net_weight_1`` of OverFeat's release; required, because freeloc does not download it.

    Raises:
        BackboneError: no file is specified, or the file is missing, is unreadable, or has the wrong size.
    """
    if weights is None:
        raise BackboneError(
            f"the weights of backbone {name} are not downloaded automatically: specify {_SOURCE}",
            parameter="weights",
        )
    _check_size(weights)  # before half a gigabyte of memory is allocated
    backbone = OverFeat()
    backbone.load_published(weights)
    backbone.freeze()
    return backbone
