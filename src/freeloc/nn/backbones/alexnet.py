"""``alexnet``: AlexNet-like networks, with FC6 and FC7 as convolutions (paper, section 3).

By default, the weights are those of torchvision's AlexNet: 1000 classes of the ImageNet challenge, FC6 and
FC7 with 4096 values, one tower, no local response normalization. **This is not the paper's network for VOC**,
which has the same kind of layers, but was trained on 1512 ImageNet classes. Other weight files bring their
own widths, groups of channels and response normalization (`freeloc.nn.backbones.alexnet_layers`), such as
files converted from Caffe (``python -m recipes.convert_caffe``) and those of ``freeloc pretrain``.

**Windows.** FC6 reads all cells of C5's pooled map of one window, 6×6 in AlexNet, so every cell of the last map
corresponds to one window. In torchvision's AlexNet, a window has 224 pixels along each axis, and windows are
32 pixels apart. A canvas side of ``s`` pixels has exactly ``(s − 224) // 32 + 1`` cells, and window i covers
the pixels from ``32·i`` to ``32·i + 224``, with its center at ``112 + 32·i``. Caffe's networks have no
padding in C1, and windows of 227 pixels with centers at ``113.5 + 32·i``.

**Padding.** The convolutions pad their inputs with zeros. On a canvas of one window, the backbone is
equivalent to the fixed-size network. On a larger canvas, windows are not cropped: where the fixed-size
network reads zeros around its window, the backbone reads the neighboring pixels, in torchvision's AlexNet 66
to the left and above and 65 to the right and below. A cell therefore reads up to 355 pixels along each axis,
centered at ``111.5 + 32·i``: half a pixel before the window's center, because the first convolution reads two
pixels of padding before the window and one after it. Shifting the image by 32 pixels shifts the map by one
cell wherever those 355 pixels lie on the canvas both before and after the shift. This holds from the fourth
cell onward, counted from either end; cells closer to the border also read zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.errors import BackboneError
from freeloc.nn.backbones.alexnet_layers import (
    METADATA_KEY,
    TORCHVISION,
    Architecture,
    ConvolutionShape,
    LayerSettings,
    LayerShapes,
    ResponseNormalization,
)
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.weight_files import check_fit, fetch, load_metadata, load_state

__all__ = ["LAYERS", "TORCHVISION_SHAPES", "AlexNet", "load_alexnet"]

_URL: Final = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"

LAYERS: Final = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
"""Names of the layers in weight files with Caffe's names; a classifier, ``fc8``, may follow."""

_TORCHVISION_LAYERS: Final = (
    *("features.0", "features.3", "features.6", "features.8", "features.10"),
    *("classifier.1", "classifier.4"),
)
_CLASSIFIERS: Final = ("classifier.6", "fc8")

TORCHVISION_SHAPES: Final = LayerShapes(
    tuple(ConvolutionShape(*shape) for shape in ((64, 11), (192, 5), (384, 3), (256, 3), (256, 3))),
    fc6=4096,
    fc7=4096,
)
"""Shapes of the layers of torchvision's AlexNet."""


class AlexNet(Backbone):
    """An AlexNet-like network as a backbone, with random weights until `load_published` is called.

    The body is the network up to FC7, because the paper keeps C1 to C7 fixed. A frozen network needs no
    dropout. No narrower layer can be cached: pool-5 has only 256 channels, but FC6 reads 6×6 of its cells.

    Args:
        shapes: shapes of the layers.
        architecture: everything else about them.

    Raises:
        ValueError: the kernels do not fit the window.
    """

    def __init__(
        self, shapes: LayerShapes = TORCHVISION_SHAPES, architecture: Architecture = TORCHVISION
    ) -> None:
        super().__init__()
        if not architecture.fits(shapes.kernels):
            raise ValueError(f"its layers do not fit windows of {architecture.window} pixels")
        self.name = "alexnet"
        self.normalization = Normalization(architecture.mean, architecture.deviation)
        self.shapes = shapes
        self._fc6_kernel = architecture.map_side(shapes.kernels, architecture.window)
        self.body = nn.Sequential(*_body(shapes, architecture, self._fc6_kernel))
        self.projection = nn.Identity()
        self.channels = self.width = shapes.fc7
        self.layout = architecture.layout
        # The shapes of the weights are part of the fingerprint anyway.
        self.architecture = "" if architecture == TORCHVISION else architecture.to_json()

    @property
    def layers(self) -> dict[str, nn.Conv2d]:
        """The layers C1 to FC7, by their names in `LAYERS`."""
        convolutions = (layer for layer in self.body.children() if isinstance(layer, nn.Conv2d))
        return dict(zip(LAYERS, convolutions, strict=True))

    def named_weights(self) -> dict[str, Tensor]:
        """Return the weights and biases of C1 to FC7 as a weight file stores them; the tensors share memory."""
        weights: dict[str, Tensor] = {}
        for name, layer in self.layers.items():
            # A linear layer on a flattened map stores its weights in the order of a convolution's kernel.
            weight = layer.weight.detach()
            weights[f"{name}.weight"] = weight.flatten(1) if name.startswith("fc") else weight
            weights[f"{name}.bias"] = layer.get_parameter("bias").detach()
        return weights

    def check_published(self, state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Check that a state dict has the tensors of this network, with or without a classifier.

        Args:
            state: tensors by the names of torchvision (``features.0.weight`` to ``classifier.6.bias``) or of
                Caffe (``conv1.weight`` to ``fc8.bias``).
            path: the file that contains them, named in error messages.

        Returns:
            The weights and biases of this network, as `named_weights`, by their names in the state dict.

        Raises:
            BackboneError: a tensor is missing or unknown, or has the wrong shape.
        """
        names = _layer_names(state)
        weights = {key: value for key, value in state.items() if key.rpartition(".")[0] not in _CLASSIFIERS}
        targets = {}
        for key, value in self.named_weights().items():
            layer, _, kind = key.partition(".")
            targets[f"{names[layer]}.{kind}"] = value
        check_fit(weights, targets, path, self.name)
        return targets

    def load_published(self, state: Mapping[str, Tensor], path: Path) -> None:
        """Copy the weights of a state dict, leaving out its last layer, the classifier; see `check_published`."""
        for key, target in self.check_published(state, path).items():
            target.copy_(state[key])


def _body(shapes: LayerShapes, architecture: Architecture, fc6_kernel: int) -> Iterator[nn.Module]:
    inputs = 3
    for shape, layer in zip(shapes.convolutions, architecture.layers, strict=True):
        yield from _convolution(inputs, shape, layer)
        inputs = shape.outputs
    yield from (nn.Conv2d(inputs, shapes.fc6, fc6_kernel), nn.ReLU(inplace=True))
    yield from (nn.Conv2d(shapes.fc6, shapes.fc7, 1), nn.ReLU(inplace=True))


def _convolution(inputs: int, shape: ConvolutionShape, layer: LayerSettings) -> Iterator[nn.Module]:
    before, after = layer.padding
    if before != after:
        yield nn.ZeroPad2d((before, after, before, after))
    padding = before if before == after else 0
    yield nn.Conv2d(
        inputs, shape.outputs, shape.kernel, stride=layer.stride, padding=padding, groups=shape.groups
    )
    yield nn.ReLU(inplace=True)
    steps = [list(_pooling(layer)), list(_response_normalization(layer))]
    for step in steps if layer.pools_first else reversed(steps):
        yield from step


def _pooling(layer: LayerSettings) -> Iterator[nn.Module]:
    if (pooling := layer.pooling) is not None:
        if pooling.padding:
            # No value is below zero, so zeros never exceed a maximum.
            yield nn.ZeroPad2d((0, pooling.padding, 0, pooling.padding))
        yield nn.MaxPool2d(pooling.kernel, stride=pooling.stride)


def _response_normalization(layer: LayerSettings) -> Iterator[nn.Module]:
    if (norm := layer.response_normalization) is not None:
        yield _ResponseNorm(norm)


class _ResponseNorm(nn.Module):
    """Local response normalization; torch's own has a branch, of which the conversion to OpenVINO warns."""

    def __init__(self, settings: ResponseNormalization) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, values: Tensor) -> Tensor:
        settings, reach = self.settings, self.settings.size // 2
        squares = functional.pad(values.square().unsqueeze(1), (0, 0, 0, 0, reach, reach))
        means = functional.avg_pool3d(squares, (settings.size, 1, 1), stride=1).squeeze(1)
        return values / (settings.k + settings.alpha * means).pow(settings.beta)


def _layer_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the names of the layers in a state dict, by their names in `LAYERS`."""
    names = LAYERS if any(f"{name}.weight" in state for name in LAYERS) else _TORCHVISION_LAYERS
    return dict(zip(LAYERS, names, strict=True))


def _shapes(state: Mapping[str, Tensor], path: Path) -> LayerShapes:
    """Return the shapes of the layers in a state dict, which may contradict each other.

    Raises:
        BackboneError: a weight is missing or has the wrong number of dimensions.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, name in _layer_names(state).items():
        key = f"{name}.weight"
        if key not in state:
            _meta_network(TORCHVISION_SHAPES, TORCHVISION, path).check_published(state, path)
        shape, dimensions = tuple(state[key].shape), 2 if layer.startswith("fc") else 4
        if len(shape) != dimensions or 0 in shape:
            raise _unfit(path, f"tensor {key} has shape {shape} instead of {dimensions} dimensions")
        shapes[layer] = shape
    return LayerShapes.of([shapes[layer] for layer in LAYERS[:-2]], shapes["fc6"][0], shapes["fc7"][0])


def _meta_network(shapes: LayerShapes, architecture: Architecture, path: Path) -> AlexNet:
    """Return a network without values, so that a damaged file cannot allocate more memory than its size."""
    try:
        with torch.device("meta"):
            return AlexNet(shapes, architecture)
    except ValueError as error:
        raise _unfit(path, str(error)) from error


def _unfit(path: Path, reason: str) -> BackboneError:
    return BackboneError(
        f"weight file {path} does not fit backbone alexnet: {reason}; use the weights of an AlexNet",
        path=path,
        parameter="weights",
    )


def _architecture(path: Path) -> Architecture:
    text = load_metadata(path).get(METADATA_KEY)
    if text is None:
        return TORCHVISION
    try:
        return Architecture.from_json(text)
    except ValueError as error:
        raise BackboneError(
            f"the description of the network in weight file {path} cannot be used ({error}): write the file "
            "anew",
            path=path,
            parameter="weights",
        ) from error


def load_alexnet(name: str = "alexnet", weights: Path | None = None) -> Backbone:
    """Load an AlexNet-like backbone.

    Args:
        name: ``alexnet``.
        weights: a local state-dict file (.pth or .safetensors) of torchvision's AlexNet, or of a network with
            other widths, groups or response normalization; see `freeloc.nn.backbones.alexnet_layers`. By
            default, the public checkpoint of torchvision (233 MB) is downloaded once to torch's cache folder
            and its hash is checked.

    Raises:
        BackboneError: the weights are unavailable or do not fit.
    """
    path = weights or fetch(_URL, name)
    state, architecture = load_state(path), _architecture(path)
    shapes = _shapes(state, path)
    _meta_network(shapes, architecture, path).check_published(state, path)
    backbone = AlexNet(shapes, architecture)
    backbone.load_published(state, path)
    backbone.freeze()
    return backbone
