"""Types of parameters with a fixed set of values, shared by the Python API and the command line.

They are defined here, apart from the code that uses them, because importing this module loads nothing else: the
command line shows the choices in ``--help`` without loading NumPy or torch.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "APFlavour",
    "Binning",
    "BoxDistance",
    "CacheFormat",
    "FlaggedBoxPolicy",
    "InferencePrecision",
    "LocationMode",
    "LocationRanking",
    "MapSize",
    "Precision",
    "Preset",
    "Reach",
    "Runtime",
    "Supervision",
    "ToleranceFrame",
]

Runtime = Literal["auto", "torch", "openvino"]
"""The library that runs the network. "auto" is torch where a CUDA GPU is available, OpenVINO otherwise."""

Precision = Literal["auto", "float32", "bfloat16"]
"""Arithmetic of the network. "auto" is bfloat16 where the GPU, or OpenVINO on the CPU, computes it natively, and
float32 otherwise."""

InferencePrecision = Literal["auto", "float32", "bfloat16", "int8"]
"""Arithmetic of prediction: a `Precision`, or "int8" for models with an int8 network (`freeloc.quantize`)."""

Preset = Literal["fast", "balanced", "best"]
"""A named choice of scales; `freeloc.inference.presets` defines each."""

LocationMode = Literal["fused", "paper"]
"""How the point of a class is located; see `freeloc.inference.fusion`."""

MapSize = Literal["image", "lattice"]
"""Resolution of exported score maps: one value per pixel of the image, or the lattice they are computed on."""

CacheFormat = Literal["float16", "int8"]
"""How cached features are stored: "int8" takes half the space of "float16", at a small loss."""

Supervision = Literal["tags", "masked", "masked_outside"]
"""Supervision of training: tags alone or, for comparison, tags and boxes (paper, section 5). "masked" restricts
the maximum of a present class to its boxes; "masked_outside" also penalizes the maximum outside them."""

APFlavour = Literal["area", "11point", "step"]
"""How a precision-recall curve is summarized as one number.

* "area" (default): area under the curve after each precision is raised to the best precision at equal or higher
  recall; the VOC devkit since 2010.
* "11point": mean of the raised precision at recalls 0, 0.1, ..., 1; the VOC devkit of 2007.
* "step": sum of precision times increase in recall, without raising; what scikit-learn computes.
"""

LocationRanking = Literal["score", "response"]
"""The value that ranks images for location AP: the classification score, or the value of the map at the point."""

ToleranceFrame = Literal["original", "normalized"]
"""The unit of a tolerance: pixels of the original image, or of the image resized so that its longest side is 500
pixels."""

BoxDistance = Literal["box", "euclidean"]
"""Distance from a point to a box, 0 inside. "box": the larger of the horizontal and vertical distances, which
grows the box by the tolerance on every side. "euclidean": the straight-line distance, which rounds the corners."""

FlaggedBoxPolicy = Literal["hit", "ignore", "miss"]
"""How to count a point that lies only in flagged boxes (difficult or crowd) of its class: as a hit, not at all
(the pair of image and class is ignored), or as a miss."""

Binning = Literal["width", "mass"]
"""Bins of the calibration error: "width" (default) for equal widths from 0 to 1, "mass" for equal numbers of
pairs, as far as ties allow."""

Reach = Literal["edge", "pixel"]
"""What the disc of the pointing game must touch: "edge", the closed box at a distance of at most the tolerance, or
"pixel", the center of a pixel of the box at less than the tolerance, as in TorchRay."""
