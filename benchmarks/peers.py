"""Other people's class activation maps over the same backbone and head, used the way their documents advise.

* ``torchcam`` (TorchCAM): one forward pass, then one call of the extractor for every class on the kept graph.
* ``pytorch-grad-cam``: one call per class with ``ClassifierOutputTarget``, or a batch that repeats the image.

Both read the activations of the backbone's last convolution. Each comes in two ways: *documented*, a
network as it is
loaded, all of whose weights ask for gradients; and *tuned*, where nothing before the target layer does, so that no
backward pass runs through the backbone and its forward pass keeps nothing. Neither package is changed.
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from freeloc._typing import Float32Array, Float64Array, Uint8Array
from freeloc.errors import FreelocError
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.inference.score_map import ScoreMap
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone

__all__ = [
    "Classifier",
    "Peer",
    "PeerMissingError",
    "PytorchGradCam",
    "TorchCam",
    "cell_points",
    "import_peer",
    "open_peers",
    "pixel_points",
]

_keep: list[torch.library.Library] = []


class PeerMissingError(FreelocError):
    """A peer cannot be measured because it is not installed or does not load."""


class Classifier(nn.Module):
    """Backbone and head as the peers want a network: (N, 3, H, W) prepared images in, (N, K) scores out.

    A class's score is the maximum over the cells that look at the image, as freeloc takes it.

    Attributes:
        valid: leading rows and columns of the map that count; set before an image is looked at.
        projection: the layer whose activations the peers read.

    Args:
        model: a trained head.
        backbone: its backbone, as it was before training or after.
        tuned: ask for gradients only where the target layer needs them.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool) -> None:
        super().__init__()
        if model.header.pooling != "max":
            raise FreelocError(
                f"the peers are measured with max-pooled scores, not {model.header.pooling} pooling"
            )
        layout = torch.channels_last if tuned else torch.contiguous_format
        backbone = model.adapt_backbone(backbone)
        self.body = copy.deepcopy(backbone.body)
        self.body.to(memory_format=layout)  # type: ignore[call-overload]
        self.projection = copy.deepcopy(backbone.projection)
        self.head = copy.deepcopy(model.head)
        self.valid: tuple[int, int] | None = None
        self.eval().requires_grad_(not tuned)
        last = list(self.projection.parameters())
        if tuned and last:
            # The smallest weight that puts the target layer's output on the graph.
            min(last, key=Tensor.numel).requires_grad_(True)
        elif not last:
            raise FreelocError(
                f"backbone {backbone.name} has no last 1×1 convolution for the peers to look at"
            )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) prepared images → (N, K) scores."""
        scores: Tensor = self.head(self.projection(self.body(images)))
        rows, cols = self.valid or scores.shape[2:]
        return scores[:, :, :rows, :cols].amax(dim=(2, 3))


class Peer(Protocol):
    """A way to class activation maps, at one scale.

    Attributes:
        name: what tables call it.
    """

    name: str

    def look(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """Look for some classes in one decoded image.

        Args:
            image: (H, W, 3) uint8 RGB.
            classes: the indices of C classes.

        Returns:
            (K,) scores of all classes, and (C, 2) points of the asked ones in image pixels.
        """
        ...


class _OneScale:
    """What both peers share: the network, and the canvas freeloc itself would look at."""

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool, scale: float = 1.0) -> None:
        self._backbone = backbone
        self._pyramid = Pyramid((scale,))
        self.network = Classifier(model, backbone, tuned=tuned)

    def _prepared(self, image: Uint8Array) -> tuple[Grid, Tensor]:
        ((grid, canvas),) = load_canvases(
            image, self._pyramid, self._backbone.layout, self._backbone.pad_color
        )
        self.network.valid = (grid.valid_rows, grid.valid_cols)
        # Channels last, as the canvas comes: torch's convolutions are faster on it.
        return grid, self._backbone.normalization(torch.from_numpy(canvas)[None])


class TorchCam(_OneScale):
    """``torchcam.methods.GradCAM``.

    Args:
        model: a trained head.
        backbone: its backbone.
        tuned: see the module.

    Raises:
        PeerMissingError: torchcam does not load.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool) -> None:
        super().__init__(model, backbone, tuned=tuned)
        self.name = f"torchcam Grad-CAM, {'tuned' if tuned else 'documented'}"
        methods = import_peer("torchcam.methods", "torchcam")
        self._extractor = methods.GradCAM(self.network, target_layer=self.network.projection)

    def look(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """See `Peer`."""
        grid, prepared = self._prepared(image)
        scores = self.network(prepared)
        last = classes[-1]
        maps = [self._extractor(index, scores, retain_graph=index != last)[0] for index in classes]
        stacked: Float32Array = torch.cat(maps).numpy()[:, : grid.valid_rows, : grid.valid_cols]
        return scores.detach()[0].numpy(), cell_points(ScoreMap.of(stacked, grid))


class PytorchGradCam(_OneScale):
    """``pytorch_grad_cam.GradCAM``, which gives maps as large as its input.

    Args:
        model: a trained head.
        backbone: its backbone.
        tuned: see the module.
        batched: give all classes in one call, with the image repeated for each.

    Raises:
        PeerMissingError: pytorch-grad-cam does not load.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool, batched: bool = False) -> None:
        super().__init__(model, backbone, tuned=tuned)
        kind = "tuned" if tuned else "documented"
        self.name = f"pytorch-grad-cam, {kind}{', one batch' if batched else ''}"
        package = import_peer("pytorch_grad_cam", "grad-cam")
        self._target: Callable[[int], Any] = package.utils.model_targets.ClassifierOutputTarget
        self._cam = package.GradCAM(model=self.network, target_layers=[self.network.projection])
        self._batched = batched

    def look(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """See `Peer`."""
        grid, prepared = self._prepared(image)
        targets = [self._target(index) for index in classes]
        if self._batched:
            maps = self._cam(input_tensor=prepared.expand(len(classes), -1, -1, -1), targets=targets)
        else:
            maps = np.concatenate([self._cam(input_tensor=prepared, targets=[target]) for target in targets])
        scores: Float32Array = self._cam.outputs.detach()[0].numpy()
        return scores, pixel_points(maps, grid)


def pixel_points(maps: Float32Array, grid: Grid) -> Float64Array:
    """Where maps that a peer stretched over its whole input are highest.

    Args:
        maps: (C, canvas height, canvas width), stretched bilinearly from cells to pixels.
        grid: of the canvas.

    Returns:
        (C, 2) image pixels.
    """
    stride = grid.layout.stride
    # Beyond the last valid cell's centre a pixel already blends in a cell that looks at padding; the two pixels
    # nearest to the centre stay, as they do for every other cell.
    bottom = (grid.valid_rows - 1) * stride + stride // 2 + 1
    right = (grid.valid_cols - 1) * stride + stride // 2 + 1
    seen = maps[:, :bottom, :right]
    pixels = np.stack(np.unravel_index(seen.reshape(len(seen), -1).argmax(axis=1), seen.shape[1:]), axis=-1)
    # The package stretches the map over its input, so a pixel's cell follows from its share of the way; where
    # the cell looks is the backbone's to say.
    cells = np.clip((pixels + 0.5) / stride - 0.5, 0, (grid.valid_rows - 1, grid.valid_cols - 1))
    return grid.to_image(cells)


def cell_points(scale_map: ScoreMap) -> Float64Array:
    """(K, 2) the centre of every class's highest cell, in image pixels."""
    values = scale_map.values
    best = values.reshape(len(values), -1).argmax(axis=1)
    cells = np.stack(np.unravel_index(best, values.shape[1:]), axis=-1)
    return scale_map.grid.to_image(cells)


def open_peers(makers: Sequence[Callable[[], Peer]]) -> tuple[list[Peer], list[str]]:
    """Make the peers that can be made.

    Returns:
        The peers, and a sentence for each reason why one is missing.
    """
    peers: list[Peer] = []
    problems: list[str] = []
    for make in makers:
        try:
            peers.append(make())
        except PeerMissingError as error:
            problems.append(str(error))
    return peers, list(dict.fromkeys(problems))


def import_peer(module: str, package: str) -> ModuleType:
    """Import a peer's module.

    Raises:
        PeerMissingError: it is not installed, or does not load.
    """
    try:
        _import_torchvision()
        return importlib.import_module(module)
    except (ImportError, RuntimeError, OSError) as error:
        raise PeerMissingError(
            f"{package} was not measured, it cannot be imported ({error}): pip install --group bench"
        ) from error


def _import_torchvision() -> None:
    """Import torchvision, which pytorch-grad-cam needs, even where its operators were built for another torch.

    Its Python part then refuses to start, because it describes two operators that are not there. No network here
    uses them, so empty definitions are enough.
    """
    try:
        importlib.import_module("torchvision")
    except ImportError:
        return  # the peers that need it will say so
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _keep.append(library)
        importlib.import_module("torchvision")
