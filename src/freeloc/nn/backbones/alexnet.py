"""``alexnet``: the shape of the paper's backbone, with FC6 and FC7 as convolutions (paper, section 3).

The weights are torchvision's public single-tower AlexNet, trained on the 1000 classes of ImageNet's challenge;
the paper trained its own network of this kind on 1512 ImageNet classes (for VOC).

**Windows.** FC6 reads 6×6 cells of the pool-5 map, so every cell of the last map stands for one 224-pixel
window; windows lie 32 pixels apart. A canvas side of ``s`` pixels gives exactly ``(s − 224) // 32 + 1`` cells
and window i covers the pixels from ``32·i`` to ``32·i + 224``, with its centre at ``112 + 32·i``.

**Padding.** The convolutions pad inside, with zeros. On a canvas of 224×224 the backbone equals the fixed-size
network. On a larger canvas a window is not cut out: where the fixed-size network sees zeros around its
window, the backbone sees the neighbouring pixels, 66 to the left and above and 65 to the right and below. So a
cell reads up to 355 pixels each way, centred at ``111.5 + 32·i``: half a pixel before the window's centre,
because the first convolution reads two pixels of padding before the window and one after it.
Moving the image by 32 pixels moves the map by one cell wherever those 355 pixels lie on the canvas both
times: from the fourth cell from either end on. Nearer to the border a cell also sees the zeros.
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
    """AlexNet as a backbone, with random weights until some are loaded.

    The whole network up to FC7 is the body, as the paper keeps C1 to C7 fixed; dropout has no part in a fixed
    network. Nothing narrower can be cached: pool-5 has only 256 channels, but FC6 reads 6×6 of its cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = "alexnet"
        self.normalization = Normalization(
            (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
        )
        self.body = nn.Sequential(
            # torchvision pads two pixels on every side. With whole windows the last right and bottom one are
            # never read; without them every other canvas also gives just its whole windows.
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
        """Copy the weights of a torchvision AlexNet; its last layer, the classifier, is left out.

        Args:
            state: tensors under torchvision's names, ``features.0.weight`` to ``classifier.6.bias``.
            path: where they come from, for the message.

        Raises:
            FreelocError: a tensor is missing, unknown, or of another shape.
        """
        own: dict[str, Tensor] = {}
        convolutions = [layer for layer in self.body.children() if isinstance(layer, nn.Conv2d)]
        for published, layer in zip(_PUBLISHED_LAYERS, convolutions, strict=True):
            linear = published.startswith("classifier")
            # A linear layer over a flattened map holds its weights in the order of a convolution's kernel.
            weight = layer.weight.detach()
            own[f"{published}.weight"] = weight.flatten(1) if linear else weight
            own[f"{published}.bias"] = layer.get_parameter("bias").detach()
        kept = {key: value for key, value in state.items() if key not in _CLASSIFIER}
        check_fit(kept, own, path, self.name)
        for key, target in own.items():
            target.copy_(kept[key])


def load_alexnet(name: str = "alexnet", weights: str | None = None) -> Backbone:
    """Build the AlexNet backbone with its ImageNet weights.

    Args:
        name: ``alexnet``.
        weights: a local state-dict file (.pth or .safetensors) of torchvision's AlexNet. Without it the
            public checkpoint is downloaded once (233 MB), its hash checked, and kept in torch's cache folder.

    Raises:
        FreelocError: the weights cannot be had or do not fit.
    """
    path = Path(weights) if weights else fetch(_URL, name)
    state = load_state(path)
    backbone = AlexNet()
    backbone.load_published(state, path)
    backbone.freeze()
    return backbone
