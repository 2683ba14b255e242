"""freeloc compared with other packages for class activation maps (CAMs), with the same backbone and head.

* ``torchcam`` (TorchCAM): one forward pass, then one call of the extractor per class on the retained graph.
* ``pytorch-grad-cam``: one call per class with ``ClassifierOutputTarget``, or one batch that repeats the
image.

Both read the activations of the backbone's projection, and both are measured in two variants, without changes
to the packages. *Documented*: the network as loaded, with gradients for all weights. *Tuned*: no layer before
the target layer requires gradients, so no backward pass runs through the backbone, and its forward pass
stores nothing.
"""

from __future__ import annotations

import copy
import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from freeloc._typing import Float32Array, Float64Array, Uint8Array
from freeloc.errors import BackboneError, MissingDependencyError, ModelError
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone

__all__ = [
    "Classifier",
    "Peer",
    "PytorchGradCam",
    "TorchCam",
    "TorchPeer",
    "cell_points",
    "import_peer",
    "open_peers",
    "pixel_points",
]

_libraries: list[torch.library.Library] = []


class Classifier(nn.Module):
    """Backbone and head in the form that the peers require: (N, 3, H, W) normalized images to (N, K) scores.

    The score of a class is the maximum over the valid cells, as in freeloc.

    Args:
        model: a model whose maps are pooled by their maximum.
        backbone: its backbone, before or after training.
        tuned: whether to compute gradients only for the target layer.

    Attributes:
        valid: number of leading valid rows and columns of the map; set before each image.
        projection: the layer whose activations the peers read.

    Raises:
        ModelError: the model uses another pooling.
        BackboneError: the backbone has no projection.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool) -> None:
        super().__init__()
        if model.header.pooling != "max":
            raise ModelError(
                f"the model uses {model.header.pooling} pooling: the peers are only measured with max pooling"
            )
        layout = torch.channels_last if tuned else torch.contiguous_format
        backbone = model.adapt_backbone(backbone)
        self.body = copy.deepcopy(backbone.body)
        self.body.to(memory_format=layout)  # type: ignore[call-overload]
        self.projection = copy.deepcopy(backbone.projection)
        self.head = copy.deepcopy(model.head)
        self.valid: tuple[int, int] | None = None
        self.eval().requires_grad_(not tuned)
        weights = list(self.projection.parameters())
        if not weights:
            raise BackboneError(
                f"backbone {backbone.name} has no projection whose activations peers can read"
            )
        if tuned:
            # The smallest weight suffices to include the target layer's output in the autograd graph.
            min(weights, key=Tensor.numel).requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        """Compute (N, K) scores of (N, 3, H, W) normalized images."""
        scores: Tensor = self.head(self.projection(self.body(images)))
        rows, cols = self.valid or scores.shape[2:]
        return scores[:, :, :rows, :cols].amax(dim=(2, 3))


class Peer(ABC):
    """Another way to compute class activation maps, at one scale and on freeloc's canvas.

    Args:
        backbone: the backbone.

    Attributes:
        name: its name in tables.
        computes_all: whether it computes all classes at once, so that one class takes as long.
    """

    name: str
    computes_all = False

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._pyramid = Pyramid((1.0,))

    @abstractmethod
    def locate(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """Locate some classes in one decoded image.

        Args:
            image: (H, W, 3) uint8 RGB.
            classes: indices of C classes.

        Returns:
            (K,) scores of all classes, and (C, 2) points of these classes in image coordinates.
        """

    def _normalized(self, image: Uint8Array) -> tuple[Grid, Tensor]:
        layout, pad_color = self._backbone.layout, self._backbone.pad_color
        ((grid, canvas),) = load_canvases(image, self._pyramid, layout, pad_color)
        # In the channels-last layout of the canvas, with which torch's convolutions are faster.
        return grid, self._backbone.normalization(torch.from_numpy(canvas)[None])


class TorchPeer(Peer):
    """Another package for class activation maps, which reads the activations of a torch network.

    Args:
        model: the model.
        backbone: its backbone.
        tuned: whether to use the tuned variant.

    Attributes:
        network: the network whose activations it reads.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool) -> None:
        super().__init__(backbone)
        self.network = Classifier(model, backbone, tuned=tuned)

    def _normalized(self, image: Uint8Array) -> tuple[Grid, Tensor]:
        grid, normalized = super()._normalized(image)
        self.network.valid = (grid.valid_rows, grid.valid_cols)
        return grid, normalized


class TorchCam(TorchPeer):
    """``torchcam.methods.GradCAM``.

    Raises:
        MissingDependencyError: torchcam cannot be imported.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool) -> None:
        super().__init__(model, backbone, tuned=tuned)
        self.name = f"torchcam Grad-CAM, {'tuned' if tuned else 'documented'}"
        methods = import_peer("torchcam.methods", "torchcam")
        self._extractor = methods.GradCAM(self.network, target_layer=self.network.projection)

    def locate(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """Locate some classes in one image, see `Peer.locate`."""
        grid, normalized = self._normalized(image)
        scores = self.network(normalized)
        last = classes[-1]
        maps = [self._extractor(index, scores, retain_graph=index != last)[0] for index in classes]
        stacked: Float32Array = torch.cat(maps).numpy()[:, : grid.valid_rows, : grid.valid_cols]
        return scores.detach()[0].numpy(), cell_points(ScoreMap.of(stacked, grid))


class PytorchGradCam(TorchPeer):
    """``pytorch_grad_cam.GradCAM``, which returns maps of the input's size.

    Args:
        model: see `TorchPeer`.
        backbone: see `TorchPeer`.
        tuned: see `TorchPeer`.
        batched: whether to compute all classes in one call, with the image repeated for each class.

    Raises:
        MissingDependencyError: pytorch-grad-cam cannot be imported.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool, batched: bool = False) -> None:
        super().__init__(model, backbone, tuned=tuned)
        variant = "tuned" if tuned else "documented"
        self.name = f"pytorch-grad-cam, {variant}{', one batch' if batched else ''}"
        package = import_peer("pytorch_grad_cam", "grad-cam")
        self.computes_all = batched
        self._target: Callable[[int], Any] = package.utils.model_targets.ClassifierOutputTarget
        self._cam = package.GradCAM(model=self.network, target_layers=[self.network.projection])
        self._batched = batched

    def locate(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """Locate some classes in one image, see `Peer.locate`."""
        grid, normalized = self._normalized(image)
        targets = [self._target(index) for index in classes]
        if self._batched:
            maps = self._cam(input_tensor=normalized.expand(len(classes), -1, -1, -1), targets=targets)
        else:
            maps = np.concatenate(
                [self._cam(input_tensor=normalized, targets=[target]) for target in targets]
            )
        scores: Float32Array = self._cam.outputs.detach()[0].numpy()
        return scores, pixel_points(maps, grid)


def pixel_points(maps: Float32Array, grid: Grid) -> Float64Array:
    """Return the maxima of maps that a peer has upsampled to the size of its input.

    Args:
        maps: (C, canvas height, canvas width), upsampled bilinearly from cells to pixels.
        grid: coordinate mapping of the canvas.

    Returns:
        (C, 2) points in image coordinates.
    """
    stride = grid.layout.stride
    # Pixels beyond the center of the last valid cell already blend in a padding cell. The two pixels nearest
    # to the center are included, as for every other cell.
    bottom = (grid.valid_rows - 1) * stride + stride // 2 + 1
    right = (grid.valid_cols - 1) * stride + stride // 2 + 1
    valid = maps[:, :bottom, :right]
    pixels = np.stack(
        np.unravel_index(valid.reshape(len(valid), -1).argmax(axis=1), valid.shape[1:]), axis=-1
    )
    # The package stretches the map over its whole input, which determines the cell of a pixel. The position
    # of a cell in the image depends on the backbone.
    cells = np.clip((pixels + 0.5) / stride - 0.5, 0, (grid.valid_rows - 1, grid.valid_cols - 1))
    return grid.to_image(cells)


def cell_points(scale_map: ScoreMap) -> Float64Array:
    """Return the (K, 2) centers of the highest-scoring cells in image coordinates."""
    values = scale_map.values
    best = values.reshape(len(values), -1).argmax(axis=1)
    cells = np.stack(np.unravel_index(best, values.shape[1:]), axis=-1)
    return scale_map.grid.to_image(cells)


def open_peers(factories: Sequence[Callable[[], Peer]]) -> tuple[list[Peer], list[str]]:
    """Create the peers whose packages can be imported.

    Returns:
        The peers, and an error message for each missing package.
    """
    peers: list[Peer] = []
    problems: list[str] = []
    for create in factories:
        try:
            peers.append(create())
        except MissingDependencyError as error:
            problems.append(str(error))
    return peers, list(dict.fromkeys(problems))


def import_peer(module: str, package: str) -> ModuleType:
    """Import a peer's module.

    Raises:
        MissingDependencyError: the package is not installed or cannot be loaded.
    """
    try:
        _import_torchvision()
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingDependencyError(
            f"{package} was not measured, because it cannot be imported ({error}): pip install --group bench"
        ) from error


def _import_torchvision() -> None:
    """Import torchvision, which pytorch-grad-cam requires, even if it was built for another version of torch.

    In that case its import fails, because it registers two operators that are missing. The networks here do
    not use them, so empty definitions suffice.
    """
    try:
        importlib.import_module("torchvision")
    except ImportError:
        return  # importing a peer that requires it fails with a message
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library: Any = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)
        importlib.import_module("torchvision")
