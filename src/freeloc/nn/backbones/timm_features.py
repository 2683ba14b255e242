"""Features of timm networks: (N, channels, rows, cols) maps of their last and of earlier stages.

The properties of a network's feature map are measured by running the network, not inferred from its name: the
layout (channels first, channels last or tokens), the number of channels and the stride. Class and register tokens
are left out of the map.

**Detail features** come from earlier stages (timm's ``forward_intermediates``). A network with stages of different
strides has them at half the stride of its last stage: the output of the last stage with that stride. A vision
transformer has one stride in all of its blocks; its detail features are the tokens after half and after three
quarters of the blocks, each of unit length at every position, so that both count equally.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from freeloc.errors import BackboneError
from freeloc.nn.backbones.weight_files import first_line

__all__ = ["NETWORK_ERRORS", "FeatureMap"]

NETWORK_ERRORS: Final = (
    *(AssertionError, AttributeError, LookupError, NotImplementedError),
    *(RuntimeError, TypeError, ValueError),
)
"""Exceptions that networks raise for unsupported inputs."""

_PROBE_SIDE: Final = 224
_PROBE_SHAPES: Final = ((1, 4), (5, 3), (2, 9))
"""Rows and columns of cells on the canvases used to check every network."""

_DETAIL_SHAPE: Final = (2, 3)
"""Rows and columns of cells on the canvas used to check detail features."""

_DETAIL_DEPTHS: Final = (0.5, 0.75)
"""Fractions of the blocks of a vision transformer after which its tokens are detail features."""

_Form: TypeAlias = Literal["NCHW", "NHWC", "tokens"]


class FeatureMap(nn.Module):
    """A timm network whose features always have the shape (N, channels, rows, cols).

    Args:
        network: the network, without a classifier.
        name: name of the backbone, used in error messages.

    Attributes:
        stride: pixels per cell.
        channels: number of channels of the features.
        detail_channels: number of channels of the detail features; 0 if the network has none.

    Raises:
        BackboneError: the network has no map of ``canvas / stride`` cells on canvases of any shape.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network = network
        self.prefix = int(getattr(network, "num_prefix_tokens", 0))
        self.form, self.stride, self.channels = _probe(network, name)
        _check_shapes(self, name)
        self.detail = _detail_stages(_strides(network), self.stride)
        self.detail_channels = self._measure_detail()

    def forward(self, image: Tensor) -> Tensor:
        """Return the (N, channels, rows, cols) features of (N, 3, H, W) images."""
        return self._arrange(_features(self.network, image), image)

    def with_detail(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features, and (N, detail_channels, n · rows, n · cols) detail features."""
        features, maps = self.network.forward_intermediates(  # type: ignore[operator]
            image, indices=list(self.detail), norm=False, output_fmt="NCHW"
        )
        if len(maps) > 1:
            maps = [functional.normalize(values, dim=1) for values in maps]
        return self._arrange(features, image), torch.cat(maps, dim=1)

    def _arrange(self, features: Tensor, image: Tensor) -> Tensor:
        if self.form == "NCHW":
            return features
        if self.form == "NHWC":
            return features.permute(0, 3, 1, 2)
        rows, cols = image.shape[2] // self.stride, image.shape[3] // self.stride
        return features[:, self.prefix :].transpose(1, 2).reshape(image.shape[0], -1, rows, cols)

    def _measure_detail(self) -> int:
        """Return the number of channels of the detail features; 0 if timm cannot return usable ones.

        The features that timm returns with those of earlier stages must equal those that it returns alone.
        """
        if not self.detail:
            return 0
        rows, cols = _DETAIL_SHAPE
        image = torch.rand(
            1, 3, rows * self.stride, cols * self.stride, generator=torch.Generator().manual_seed(0)
        )
        try:
            with torch.no_grad():
                features, detail = self.with_detail(image)
                alone = self(image)
        except NETWORK_ERRORS:
            return 0
        times = 1 if len(self.detail) > 1 else 2
        usable = detail.shape[2:] == (times * rows, times * cols) and torch.equal(features, alone)
        return detail.shape[1] if usable else 0


def _features(network: nn.Module, image: Tensor) -> Tensor:
    # Every timm network has forward_features, which nn.Module does not declare.
    features: object = network.forward_features(image)  # type: ignore[operator]
    if not isinstance(features, Tensor):
        raise TypeError(f"its features are a {type(features).__name__}, not one tensor")
    return features


def _run(network: Callable[[Tensor], Tensor], rows: int, cols: int, name: str) -> Tensor:
    """Return the features of an all-zero canvas of ``rows × cols`` pixels."""
    try:
        with torch.no_grad():
            return network(torch.zeros(1, 3, rows, cols))
    except NETWORK_ERRORS as error:
        raise BackboneError(
            f"{name} does not support canvases of arbitrary size (at {cols}×{rows}: {first_line(error)}): "
            "choose a network without a fixed input size",
            parameter="backbone",
        ) from error


def _strides(network: nn.Module) -> list[int]:
    """Return the stride of each stage, according to timm."""
    info = getattr(network, "feature_info", None)
    return [int(stage.get("reduction", 1)) for stage in getattr(info, "info", info) or []]


def _detail_stages(strides: Sequence[int], stride: int) -> tuple[int, ...]:
    """Return the indices of the stages from which detail features are taken; empty if there are none.

    Args:
        strides: stride of each stage.
        stride: stride of the features.
    """
    if len(strides) > 2 and set(strides) == {stride}:
        return tuple(sorted({max(0, int(depth * len(strides)) - 1) for depth in _DETAIL_DEPTHS}))
    return tuple(index for index, reduction in enumerate(strides) if 2 * reduction == stride)[-1:]


def _probe(network: nn.Module, name: str) -> tuple[_Form, int, int]:
    """Return form, stride and number of channels of the feature map, determined on a square canvas."""
    reduction = next(reversed(_strides(network)), 1)
    side = max(1, round(_PROBE_SIDE / reduction)) * reduction
    shape = _run(lambda image: _features(network, image), side, side, name).shape
    form: _Form
    if len(shape) == 3:
        patches = shape[1] - int(getattr(network, "num_prefix_tokens", 0))
        form, cells, channels = "tokens", round(max(patches, 0) ** 0.5), shape[2]
        square = cells * cells == patches
    elif len(shape) == 4:
        last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
        form, channels = ("NHWC", shape[3]) if last else ("NCHW", shape[1])
        cells, other = shape[1:3] if last else shape[2:4]
        square = cells == other
    else:
        raise BackboneError(
            f"{name} has no spatial feature map (its features have shape {tuple(shape)}): choose another network",
            parameter="backbone",
        )
    if not square or cells < 2 or side % cells:
        raise BackboneError(
            f"the features of {name} on a canvas of {side}×{side} have shape {tuple(shape)}, which is not a map "
            "of canvas / stride cells: choose another network",
            parameter="backbone",
        )
    return form, side // cells, channels


def _check_shapes(body: FeatureMap, name: str) -> None:
    for rows, cols in _PROBE_SHAPES:
        shape = tuple(_run(body, rows * body.stride, cols * body.stride, name).shape)
        if shape != (1, body.channels, rows, cols):
            raise BackboneError(
                f"the feature map of {name} does not match the canvas: it has {shape[2:]} cells instead of "
                f"{(rows, cols)} at stride {body.stride}; choose another network",
                parameter="backbone",
            )
