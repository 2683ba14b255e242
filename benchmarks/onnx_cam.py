"""What one would build without freeloc: a plain classifier with CAM, exported to ONNX.

The features of the backbone are averaged over the image, and a linear layer maps the average to scores; the map of
a class is the same layer, applied to every cell. The network runs in ONNX Runtime, at one scale, and computes the
maps of all classes in one pass. Its last layer has random weights: it is as fast as a trained one, but its points
are meaningless.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import usable_cores
from benchmarks.peers import Peer, cell_points, import_peer
from freeloc._typing import Float32Array, Float64Array, Uint8Array
from freeloc.inference.score_map import ScoreMap
from freeloc.nn.backbones.base import Backbone

__all__ = ["OnnxCam", "PlainClassifier"]

_SEED = 0


_EXPORTED: dict[tuple[str, int], bytes] = {}
"""Exported models, by the backbone's fingerprint and the number of classes."""


class PlainClassifier(nn.Module):
    """Backbone, mean over the cells, and a linear layer, in the form that computes maps as well.

    Args:
        backbone: the backbone.
        classes: number of classes K.
    """

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.body = copy.deepcopy(backbone.body)
        self.projection = copy.deepcopy(backbone.projection)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            self.linear = nn.Conv2d(backbone.width, classes, 1)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (N, K, rows, cols) maps and (N, K) scores of (N, 3, H, W) normalized images."""
        maps = self.linear(self.projection(self.body(images)))
        return maps, maps.mean(dim=(2, 3))


class OnnxCam(Peer):
    """A `PlainClassifier` in ONNX Runtime, on all cores.

    Args:
        backbone: the backbone.
        classes: number of classes.

    Raises:
        MissingDependencyError: onnxruntime, or what torch needs for the export, cannot be imported.
    """

    name = "ONNX Runtime, plain classifier with CAM"
    computes_all = True

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__(backbone)
        for module in ("onnx", "onnxscript"):
            import_peer(module, module)
        runtime = import_peer("onnxruntime", "onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        self._session: Any = runtime.InferenceSession(
            _exported(backbone, classes), options, providers=["CPUExecutionProvider"]
        )

    def locate(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """Locate some classes in one image, see `Peer.locate`."""
        grid, normalized = self._normalized(image)
        maps, scores = self._session.run(None, {"images": normalized.contiguous().numpy()})
        valid = maps[0, list(classes), : grid.valid_rows, : grid.valid_cols]
        return scores[0], cell_points(ScoreMap.of(valid, grid))


def _exported(backbone: Backbone, classes: int) -> bytes:
    """Return a classifier as an ONNX model for images of any size; exporting takes seconds, so it is done once."""
    key = backbone.fingerprint, classes
    if key in _EXPORTED:
        return _EXPORTED[key]
    network = PlainClassifier(backbone, classes)
    side = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own use of deprecated functions
        program = torch.onnx.export(
            network,
            (torch.zeros(1, 3, 320, 384),),
            input_names=["images"],
            output_names=["maps", "scores"],
            dynamic_shapes={"images": {2: side, 3: side}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    _EXPORTED[key] = program.model_proto.SerializeToString()
    return _EXPORTED[key]
