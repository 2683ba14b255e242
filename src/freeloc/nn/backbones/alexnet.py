"""``alexnet``: the architecture of the paper's backbone, with FC6 and FC7 as convolutions (paper, section 3).

The weights are those of torchvision's public single-tower AlexNet, trained on the 1000 classes of the ImageNet
challenge. For VOC, the paper trained such a network on 1512 ImageNet classes.

**Windows.** FC6 reads 6×6 cells of the pool-5 map, so every cell of the last map corresponds to one 224-pixel
window; windows are 32 pixels apart. A canvas side of ``s`` pixels has exactly ``(s − 224) // 32 + 1`` cells, and
window i covers the pixels from ``32·i`` to ``32·i + 224``, with its center at ``112 + 32·i``.

**Padding.** The convolutions pad their inputs with zeros. On a canvas of 224×224 pixels, the backbone is
equivalent to the fixed-size network. On a larger canvas, windows are not cropped: where the fixed-size network
reads zeros around its window, the backbone reads the neighboring pixels, 66 to the left and above and 65 to the
right and below. A cell therefore reads up to 355 pixels along each axis, centered at ``111.5 + 32·i``: half a
pixel before the window's center, because the first convolution reads two pixels of padding before the window and
one after it. Shifting the image by 32 pixels shifts the map by one cell wherever those 355 pixels lie on the
canvas both before and after the shift. This holds from the fourth cell onward, counted from either end; cells
closer to the border also read zeros.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torch import Tensor, nn

from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.weight_files import check_fit, fetch, load_state

__all__ = ["AlexNet", "load_alexnet"]

_URL: Final = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
_PUBLISHED_LAYERS: Final = (
    *("features.0", "features.3", "features.6", "features.8", "features.10"),
    *("classifier.1", "classifier.4"),
)
_CLASSIFIER: Final = ("classifier.6.weight", "classifier.6.bias")
_WIDTH: Final = 4096


class AlexNet(Backbone):
    """AlexNet as a backbone, with random weights until `load_published` is called.

    The body is the network up to FC7, because the paper keeps C1 to C7 fixed. A frozen network needs no dropout.
    No narrower layer can be cached: pool-5 has only 256 channels, but FC6 reads 6×6 of its cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = "alexnet"
        self.normalization = Normalization(
            (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
        )
        self.body = nn.Sequential(
            # torchvision pads two pixels on every side. On a canvas of whole windows, the last row and column
            # of this padding are never read. Omitting them also avoids partial windows on other canvases.
            nn.ZeroPad2d((2, 1, 2, 1)),
            *(nn.Conv2d(3, 64, 11, stride=4), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(256, _WIDTH, 6), nn.ReLU(inplace=True)),
            *(nn.Conv2d(_WIDTH, _WIDTH, 1), nn.ReLU(inplace=True)),
        )
        self.projection = nn.Identity()
        self.channels = _WIDTH
        self.width = _WIDTH
        self.layout = CellLayout(stride=32, offset=112.0, window=224)

    def load_published(self, state: dict[str, Tensor], path: Path) -> None:
        """Copy the weights of a torchvision AlexNet, leaving out its last layer, the classifier.

        Args:
            state: tensors by torchvision's names, ``features.0.weight`` to ``classifier.6.bias``.
            path: the file that contains them, named in error messages.

        Raises:
            BackboneError: a tensor is missing or unknown, or has the wrong shape.
        """
        targets: dict[str, Tensor] = {}
        convolutions = [layer for layer in self.body.children() if isinstance(layer, nn.Conv2d)]
        for published, layer in zip(_PUBLISHED_LAYERS, convolutions, strict=True):
            linear = published.startswith("classifier")
            # A linear layer on a flattened map stores its weights in the order of a convolution's kernel.
            weight = layer.weight.detach()
            targets[f"{published}.weight"] = weight.flatten(1) if linear else weight
            targets[f"{published}.bias"] = layer.get_parameter("bias").detach()
        weights = {key: value for key, value in state.items() if key not in _CLASSIFIER}
        check_fit(weights, targets, path, self.name)
        for key, target in targets.items():
            target.copy_(weights[key])


def load_alexnet(name: str = "alexnet", weights: Path | None = None) -> Backbone:
    """Load the AlexNet backbone with its ImageNet weights.

    Args:
        name: ``alexnet``.
        weights: a local state-dict file (.pth or .safetensors) of torchvision's AlexNet. By default, the public
            checkpoint (233 MB) is downloaded once to torch's cache folder and its hash is checked.

    Raises:
        BackboneError: the weights are unavailable or do not fit.
    """
    path = weights or fetch(_URL, name)
    state = load_state(path)
    backbone = AlexNet()
    backbone.load_published(state, path)
    backbone.freeze()
    return backbone
