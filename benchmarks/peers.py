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
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import usable_cores
from benchmarks.timing import Task, interleaved
from benchmarks.workload import Amounts, Evaluator, Workload
from freeloc._typing import Float32Array, Float64Array, Uint8Array
from freeloc.datasets import PRESENT, Dataset
from freeloc.errors import BackboneError, MissingDependencyError, ModelError
from freeloc.geometry.grid import Grid
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.inference.score_map import ScoreMap
from freeloc.io.progress import print_status, track
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone

__all__ = [
    "ALL_SCALES",
    "INT8",
    "ONE_CLASS",
    "ONE_SCALE",
    "Classifier",
    "Peer",
    "PytorchGradCam",
    "TorchCam",
    "cell_points",
    "import_peer",
    "measure_accuracy",
    "measure_speed",
    "open_peers",
    "pixel_points",
]

ONE_SCALE = "freeloc, one scale"
ALL_SCALES = "freeloc, all scales"
INT8 = ", int8"
"""Appended to freeloc's name if the model's int8 network is used."""
ONE_CLASS = " (one class)"
"""Appended to a peer's name if it computes only one class."""

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
    """Another package that computes class activation maps, at one scale and on freeloc's canvas.

    Args:
        model: the model.
        backbone: its backbone.
        tuned: whether to use the tuned variant.

    Attributes:
        name: its name in tables.
        network: the network whose activations it reads.
    """

    name: str

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool) -> None:
        self._backbone = backbone
        self._pyramid = Pyramid((1.0,))
        self.network = Classifier(model, backbone, tuned=tuned)

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
        self.network.valid = (grid.valid_rows, grid.valid_cols)
        # In the channels-last layout of the canvas, with which torch's convolutions are faster.
        return grid, self._backbone.normalization(torch.from_numpy(canvas)[None])


class TorchCam(Peer):
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


class PytorchGradCam(Peer):
    """``pytorch_grad_cam.GradCAM``, which returns maps of the input's size.

    Args:
        model: see `Peer`.
        backbone: see `Peer`.
        tuned: see `Peer`.
        batched: whether to compute all classes in one call, with the image repeated for each class.

    Raises:
        MissingDependencyError: pytorch-grad-cam cannot be imported.
    """

    def __init__(self, model: Model, backbone: Backbone, *, tuned: bool, batched: bool = False) -> None:
        super().__init__(model, backbone, tuned=tuned)
        variant = "tuned" if tuned else "documented"
        self.name = f"pytorch-grad-cam, {variant}{', one batch' if batched else ''}"
        package = import_peer("pytorch_grad_cam", "grad-cam")
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


# --- comparison
# ----------------------------------------------------------------------------------------------


def measure_speed(workload: Workload, amounts: Amounts) -> dict[str, Any]:
    """Time freeloc and the peers, one image at a time on all cores, from the decoded image to a point per class.

    Args:
        workload: model and images.
        amounts: number of images and rounds.

    Returns:
        Milliseconds per image; freeloc's speedup at one scale for all K classes; and its speedup at all
        scales for all classes over a peer at one scale for one class. The last two are measured for each of
        freeloc's precisions. "problems" lists the peers that could not be measured.
    """
    torch.set_num_threads(usable_cores())
    images = [load_image(path) for path in workload.paths(amounts.peers)]
    classes = list(range(len(workload.model.header.classes)))
    model, backbone = workload.model, workload.backbone
    peers, problems = open_peers(
        [
            lambda: TorchCam(model, backbone, tuned=True),
            lambda: TorchCam(model, backbone, tuned=False),
            lambda: PytorchGradCam(model, backbone, tuned=True),
            lambda: PytorchGradCam(model, backbone, tuned=True, batched=True),
            lambda: PytorchGradCam(model, backbone, tuned=False),
        ]
    )
    for problem in problems:
        print_status(problem)
    localizers = _localizers(workload)
    tasks = {name: _for_all(images, localizer.predict) for name, localizer in localizers.items()}
    warm_ups = dict(tasks)
    for peer in peers:
        one_class = _for_all(images, partial(peer.locate, classes=classes[:1]))
        tasks[peer.name] = _for_all(images, partial(peer.locate, classes=classes))
        warm_ups[peer.name] = one_class
        if "batch" not in peer.name:
            tasks[peer.name + ONE_CLASS] = warm_ups[peer.name + ONE_CLASS] = one_class
    timings = interleaved(tasks, rounds=amounts.rounds, warm_ups=warm_ups)

    def speedup(of: str, over: list[str]) -> dict[str, Any]:
        names = [name for name in localizers if name.startswith(of)]
        return {name: {other: timings.ratio(other, name).to_dict() for other in over} for name in names}

    return {
        "images": len(images),
        "rounds": amounts.rounds,
        "ms_per_image": timings.to_dict(1e3 / len(images)),
        "speedup": speedup(ONE_SCALE, [peer.name for peer in peers]),
        "all_scales_over_one_class": speedup(
            ALL_SCALES, [name for name in tasks if name.endswith(ONE_CLASS)]
        ),
        "problems": problems,
    }


def measure_accuracy(workload: Workload, amounts: Amounts) -> dict[str, Any]:
    """Compute location and classification AP of freeloc and of the peers on the same images."""
    dataset = workload.first(amounts.accuracy)
    evaluator = Evaluator.of(dataset)
    peers, problems = open_peers(
        [
            lambda: TorchCam(workload.model, workload.backbone, tuned=True),
            lambda: PytorchGradCam(workload.model, workload.backbone, tuned=True),
        ]
    )
    rows = {
        name: _accuracy(evaluator, *_freeloc_points(localizer, dataset, name))
        for name, localizer in _localizers(workload).items()
    }
    for peer in peers:
        rows[peer.name] = _accuracy(evaluator, *_peer_points(peer, dataset))
    return {"images": len(dataset), "rows": rows, "problems": problems}


def _localizers(workload: Workload) -> dict[str, Localizer]:
    localizers = {ONE_SCALE: workload.localizer((1.0,)), ALL_SCALES: workload.localizer()}
    if workload.has_int8:
        localizers[ONE_SCALE + INT8] = workload.localizer((1.0,), "int8")
        localizers[ALL_SCALES + INT8] = workload.localizer(precision="int8")
    return localizers


def _accuracy(evaluator: Evaluator, points: Float64Array, scores: Float32Array) -> dict[str, float]:
    return {
        "location": round(evaluator.location(points, scores), 2),
        "classification": round(evaluator.classification(scores), 2),
    }


def _freeloc_points(localizer: Localizer, dataset: Dataset, name: str) -> tuple[Float64Array, Float32Array]:
    results = localizer.predict_many(sample.path for sample in dataset)
    found = [(result.points, result.scores) for result in track(results, name, len(dataset))]
    points, scores = zip(*found, strict=True)
    return np.stack(points), np.stack(scores)


def _peer_points(peer: Peer, dataset: Dataset) -> tuple[Float64Array, Float32Array]:
    """Return (N, K, 2) points of the present classes, which are all that the metric uses, and (N, K) scores."""
    points, scores = [], []
    for sample in track(dataset.samples, peer.name, len(dataset)):
        present = [int(index) for index in np.flatnonzero(sample.labels == PRESENT)]
        of_image = np.full((len(sample.labels), 2), np.nan)
        # Without present classes, any class serves to compute the scores.
        score, found = peer.locate(load_image(sample.path), present or [0])
        if present:
            of_image[present] = found
        points.append(of_image)
        scores.append(score)
    return np.stack(points), np.stack(scores)


def _for_all(images: Sequence[Uint8Array], function: Callable[[Uint8Array], object]) -> Task:
    return lambda: [function(image) for image in images]
