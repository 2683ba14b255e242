"""Layers of AlexNet-like networks: what a weight file says about them.

The shapes of a file's tensors give the widths, kernels and groups of the layers (`LayerShapes`). Everything
else is an `Architecture`: strides, padding, pooling, local response normalization and the normalization of
the input. A .safetensors file stores it as JSON in its metadata, under `METADATA_KEY`; a file without it has
the architecture of torchvision's AlexNet (`TORCHVISION`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from freeloc.geometry.grid import CellLayout
from freeloc.io.typed_json import convert_json, decode_json, reject_unknown_fields

__all__ = [
    "CONVOLUTIONS",
    "METADATA_KEY",
    "TORCHVISION",
    "Architecture",
    "ConvolutionShape",
    "LayerSettings",
    "LayerShapes",
    "MaxPooling",
    "ResponseNormalization",
]

METADATA_KEY: Final = "freeloc_alexnet"
"""Key of the architecture in the metadata of a .safetensors file."""

CONVOLUTIONS: Final = 5
"""Number of convolutional layers, C1 to C5."""

_VERSION: Final = 1

_MAX_WINDOW: Final = 4096
"""Maximum window, in pixels; model files have the same limit."""

_MAX_SIDE: Final = 64
"""Maximum kernel, stride and padding."""

Side: TypeAlias = Annotated[int, Meta(ge=1, le=_MAX_SIDE)]
Border: TypeAlias = Annotated[int, Meta(ge=0, le=_MAX_SIDE)]
Intensity: TypeAlias = Annotated[float, Meta(ge=0, le=255)]
Divisor: TypeAlias = Annotated[float, Meta(ge=1e-3, le=1e3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseNormalization:
    """Local response normalization across channels.

    Each value x of channel c is replaced with ``x / (k + alpha / size · S) ** beta``, where S is the sum of
    the squares of the values at the same position in the ``size`` channels around c. Channels that do not
    exist count as 0.

    Attributes:
        size: number of channels; odd.
        alpha: factor of the mean square.
        beta: exponent.
        k: constant that is added to the mean square.
    """

    size: Side = 5
    alpha: Annotated[float, Meta(ge=0, le=1e6)] = 1e-4
    beta: Annotated[float, Meta(ge=0, le=100)] = 0.75
    k: Annotated[float, Meta(ge=1e-6, le=1e6)] = 1.0

    def __post_init__(self) -> None:
        if self.size % 2 == 0:
            raise ValueError(f"the size of a response normalization must be odd, not {self.size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPooling:
    """Max-pooling of non-negative values.

    Attributes:
        kernel: side of the square from which a maximum is taken.
        stride: distance between adjacent squares.
        padding: number of rows and columns of zeros on the right and below. Caffe rounds the size of pooled
            maps up: squares at the border may extend beyond the map. This is the extent to which they do so
            in a window.
    """

    kernel: Side = 3
    stride: Side = 2
    padding: Border = 0

    def __post_init__(self) -> None:
        if self.padding >= self.kernel:
            raise ValueError(f"the padding of a pooling must be less than its kernel, {self.kernel}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSettings:
    """A convolution, the rectifier after it, and what follows.

    Attributes:
        stride: stride of the convolution.
        padding: rows and columns of zeros above and to the left of the map, and below and to the right of it.
        pooling: the pooling after the rectifier, if any.
        response_normalization: the local response normalization, if any.
        pools_first: whether values are pooled before they are normalized, as in Caffe's CaffeNet, rather than
            afterwards, as in the original network.
    """

    stride: Side = 1
    padding: tuple[Border, Border] = (0, 0)
    pooling: MaxPooling | None = None
    response_normalization: ResponseNormalization | None = None
    pools_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Everything about a network that the shapes of its tensors do not tell.

    Attributes:
        window: side of the window that the network with fully connected layers reads, in pixels.
        mean: mean of each channel, in RGB values from 0 to 255, which is subtracted from the image.
        deviation: divisor of each channel, in the same units.
        layers: C1 to C5.

    Raises:
        ValueError: there are not five layers, or the window is out of range.
    """

    window: int
    mean: tuple[Intensity, Intensity, Intensity]
    deviation: tuple[Divisor, Divisor, Divisor]
    layers: tuple[LayerSettings, ...]

    def __post_init__(self) -> None:
        if len(self.layers) != CONVOLUTIONS:
            raise ValueError(f"there must be {CONVOLUTIONS} convolutional layers, not {len(self.layers)}")
        if not 1 <= self.window <= _MAX_WINDOW:
            raise ValueError(f"the window must be between 1 and {_MAX_WINDOW} pixels, not {self.window}")
        if not 1 <= self.stride <= self.window:
            raise ValueError("the strides of all layers together must not exceed the window")

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Return the architecture that `to_json` has written.

        Raises:
            ValueError: the text is damaged, or was written by a newer version of freeloc.
        """
        values = decode_json(text)
        if not isinstance(values, Mapping) or values.get("version") != _VERSION:
            raise ValueError("it is not version 1 of freeloc's description of networks")
        values = {key: value for key, value in values.items() if key != "version"}
        reject_unknown_fields("the architecture", values, cls)
        return convert_json(values, cls)

    def to_json(self) -> str:
        """Return the text that a weight file stores."""
        return json.dumps({"version": _VERSION, **asdict(self)}, sort_keys=True)

    @property
    def stride(self) -> int:
        """Distance between the windows of adjacent cells, in pixels."""
        stride = 1
        for layer in self.layers:
            stride *= layer.stride * (1 if layer.pooling is None else layer.pooling.stride)
        return stride

    @property
    def layout(self) -> CellLayout:
        """The layout of cells: one cell per window, with its center in the middle of the window."""
        return CellLayout(stride=self.stride, offset=self.window / 2, window=self.window)

    def map_side(self, kernels: Sequence[int], side: int) -> int:
        """Return the side of C5's pooled map for a canvas of the given side; 0 if the canvas is too small.

        Args:
            kernels: sides of the kernels of C1 to C5.
            side: side of the canvas, in pixels.
        """
        for kernel, layer in zip(kernels, self.layers, strict=True):
            steps = [(kernel, layer.stride, sum(layer.padding))]
            if (pooling := layer.pooling) is not None:
                steps.append((pooling.kernel, pooling.stride, pooling.padding))
            for size, stride, padding in steps:
                side = max(0, (side + padding - size) // stride + 1)
        return side

    def fits(self, kernels: Sequence[int]) -> bool:
        """Return whether every pixel of the window is used: a smaller one gives fewer cells."""
        side = self.map_side(kernels, self.window)
        return 0 < side <= _MAX_SIDE and self.map_side(kernels, self.window - 1) < side


_POOLING: Final = MaxPooling()

TORCHVISION: Final = Architecture(
    window=224,
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
    deviation=(0.229 * 255, 0.224 * 255, 0.225 * 255),
    layers=(
        # torchvision pads two pixels on every side. On a canvas of whole windows, the last row and column of this
        # padding are never read. Omitting them also avoids partial windows on other canvases.
        LayerSettings(stride=4, padding=(2, 1), pooling=_POOLING),
        LayerSettings(padding=(2, 2), pooling=_POOLING),
        LayerSettings(padding=(1, 1)),
        LayerSettings(padding=(1, 1)),
        LayerSettings(padding=(1, 1), pooling=_POOLING),
    ),
)
"""The architecture of torchvision's AlexNet, without response normalization."""


@dataclass(frozen=True, slots=True)
class ConvolutionShape:
    """Shape of a convolution.

    Attributes:
        outputs: number of output channels.
        kernel: side of the kernel.
        groups: number of groups into which input and output channels are divided; a group of outputs reads
            only the inputs of the same group.
    """

    outputs: int
    kernel: int
    groups: int = 1


@dataclass(frozen=True, slots=True)
class LayerShapes:
    """Shapes of all layers.

    Attributes:
        convolutions: C1 to C5.
        fc6: width of FC6.
        fc7: width of FC7.
    """

    convolutions: tuple[ConvolutionShape, ...]
    fc6: int
    fc7: int

    @property
    def kernels(self) -> tuple[int, ...]:
        """Sides of the kernels of C1 to C5."""
        return tuple(shape.kernel for shape in self.convolutions)

    @classmethod
    def of(cls, convolutions: Sequence[Sequence[int]], fc6: int, fc7: int) -> LayerShapes:
        """Return the shapes of layers whose weights have the given shapes.

        Args:
            convolutions: shapes (outputs, inputs of a group, rows, columns) of the weights of C1 to C5.
            fc6: width of FC6.
            fc7: width of FC7.
        """
        shapes: list[ConvolutionShape] = []
        inputs = 3
        for outputs, read, kernel, _ in convolutions:
            divides = inputs % read == 0 and outputs % (inputs // read) == 0
            shapes.append(ConvolutionShape(outputs, kernel, inputs // read if divides else 1))
            inputs = outputs
        return cls(tuple(shapes), fc6, fc7)
