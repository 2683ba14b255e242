"""A detector of about the same size, which was told boxes in training: YOLO26n of Ultralytics, in OpenVINO.

Its weights are random, because they cannot be had without a download; it then finds nothing, in the same time.
Ultralytics is licensed under the AGPL, so freeloc only measures it.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.peers import Peer, import_peer
from freeloc._typing import Float32Array, Float64Array, Uint8Array
from freeloc.nn.backbones.base import Backbone

__all__ = ["Yolo"]

_NETWORK = "yolo26n"
_SIDE = 640
"""Longest side of the network's input, Ultralytics' default."""


class Yolo(Peer):
    """The detector, exported as its documentation says, on all cores.

    Args:
        backbone: freeloc's backbone, which it does not use.
        classes: number of classes K.

    Raises:
        MissingDependencyError: ultralytics cannot be imported.
    """

    name = f"Ultralytics {_NETWORK.upper()}, {_SIDE} pixels, trained with boxes"
    computes_all = True

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__(backbone)
        self._classes = classes
        with _offline():
            package = import_peer("ultralytics", "ultralytics")
            package.settings.update(sync=False)
            with TemporaryDirectory() as folder, contextlib.chdir(folder):
                network = package.YOLO(f"{_NETWORK}.yaml")
                # The exported network is read when it is first used, so the folder must still exist then.
                exported = network.export(format="openvino", imgsz=_SIDE, dynamic=True, verbose=False)
                self._detector: Any = package.YOLO(Path(exported), task="detect")
                self._detector.predict(np.zeros((_SIDE, _SIDE, 3), np.uint8), verbose=False)

    def locate(self, image: Uint8Array, classes: Sequence[int]) -> tuple[Float32Array, Float64Array]:
        """Detect the objects of all classes; with random weights, there are no points to return."""
        self._detector.predict(image[..., ::-1], imgsz=_SIDE, rect=True, verbose=False)
        return np.zeros(self._classes, np.float32), np.full((len(classes), 2), np.nan)


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Keep Ultralytics from installing packages, from looking for updates, and from printing.

    It also sets variables that limit the threads of other libraries, so all variables are restored.
    """
    before = dict(os.environ)
    with TemporaryDirectory() as folder:
        os.environ |= {
            "YOLO_AUTOINSTALL": "false",
            "YOLO_CONFIG_DIR": folder,
            "YOLO_OFFLINE": "true",
            "YOLO_VERBOSE": "false",
        }
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)
