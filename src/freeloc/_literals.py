"""Types of parameters with a fixed set of values, shared by the Python API and the command line.

This module imports only the standard library, so that the command line can show the choices in ``--help``
without loading NumPy or torch.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "APFlavour",
    "Binning",
    "BoxDistance",
    "CacheFormat",
    "FlaggedBoxPolicy",
    "ImageFiles",
    "InferencePrecision",
    "LocationMode",
    "LocationRanking",
    "MapSize",
    "MaskEncoding",
    "MinusOne",
    "MissingTags",
    "Padding",
    "Pictures",
    "PointKind",
    "Precision",
    "Preset",
    "PretrainingBackbone",
    "PretrainingSchedule",
    "Reach",
    "Resize",
    "Runtime",
    "Supervision",
    "ToleranceFrame",
    "Untagged",
]

Runtime = Literal["auto", "torch", "openvino"]
"""The library that runs the network. "auto" selects torch if a CUDA GPU is available, and OpenVINO otherwise."""

Precision = Literal["auto", "float32", "bfloat16"]
"""The arithmetic the network uses. "auto" selects bfloat16 if the GPU, or OpenVINO on the CPU, supports it
natively, and float32 otherwise."""

InferencePrecision = Literal["auto", "float32", "bfloat16", "int8"]
"""The arithmetic used for prediction: a `Precision`, or "int8" for models that contain an int8 network
(`freeloc.quantize`)."""

Preset = Literal["fast", "balanced", "best"]
"""A named choice of scales; the presets are defined in `freeloc.inference.presets`."""

LocationMode = Literal["fused", "paper"]
"""How the point of a class is found; see `freeloc.inference.fusion`."""

PointKind = Literal["salient", "central"]
"""Which place of an object its point is.

* "salient" (default): the highest place of the map. It is the most telling part of the object, such as a face, and
  may be near the object's border.
* "central": in the region around the highest place where the map reaches 80% of its value, the place with the
  largest product of the map's value and the distance from the region's border. As a prompt for a segmentation
  model, or for a gripper, it is farther inside the object.
"""

MapSize = Literal["image", "lattice"]
"""Resolution of exported score maps: "image" for one value per pixel of the image, or "lattice" for the lattice
on which the maps are computed."""

ImageFiles = Literal["link", "copy", "none"]
"""What is written of the image files beside annotations that are read together with them: symbolic links, copies,
or nothing."""

MaskEncoding = Literal["polygon", "rle"]
"""How annotations contain masks: as polygons, which people correct corner by corner and which fill holes, or as
run-length encodings of their exact pixels."""

Pictures = Literal["auto", "no"]
"""Whether results on a terminal include a small picture of each image: "auto" where the terminal can show them."""

Padding = Literal["stride", "square", "paper"]
"""How canvases are padded.

* "stride" (default): to a multiple of the backbone's stride. Cells on the padding are ignored.
* "square": to the paper's square. Cells on the padding are ignored, so the valid cells are those of "stride",
  but computing them takes longer.
* "paper": to the paper's square. Cells on the padding are pooled like those on the image.
"""

Resize = Literal["once", "paper"]
"""How an image is resized to a scale: directly from the original ("once", the default), or, as in the paper, from
a copy whose longest side has 500 pixels ("paper"), so that no scale shows more detail than this copy."""

CacheFormat = Literal["float16", "int8"]
"""How cached features are stored: "int8" takes half the space of "float16", at a small loss of accuracy."""

PretrainingBackbone = Literal["alexnet"]
"""The networks that can be pretrained."""

PretrainingSchedule = Literal["cosine", "step"]
"""How the learning rate of pretraining falls: "cosine" lowers it in every step, down to zero; "step" divides it by
ten after each third of the steps."""

Supervision = Literal["tags", "masked", "masked_outside"]
"""What supervises training: tags alone or, for comparison, tags and boxes (paper, section 5). For a present
class, "masked" takes the maximum score only inside the class's boxes; "masked_outside" also penalizes the
maximum score outside them."""

MissingTags = Literal["none", "expect"]
"""What training makes of classes that an image is not tagged with: they are absent ("none", the default), or
absent unless the image probably has them, in which case they are ignored ("expect"); see
`freeloc.training.missing_tags`."""

APFlavour = Literal["area", "11point", "step"]
"""How a precision-recall curve is summarized as one number.

* "area" (default): the area under the curve, with each precision replaced by the highest precision at the
same or
  a higher recall, as in the VOC devkit since 2010.
* "11point": the mean of these replaced precisions at recalls 0, 0.1, ..., 1, as in the VOC devkit of 2007.
* "step": the sum of each original precision times the increase in recall, as in scikit-learn.
"""

LocationRanking = Literal["score", "response"]
"""The value by which location AP ranks images: the classification score, or the value of the map at the point."""

ToleranceFrame = Literal["original", "normalized"]
"""The unit of a tolerance: pixels of the original image, or of the image resized so that its longest side is 500
pixels."""

BoxDistance = Literal["box", "euclidean"]
"""How to measure the distance from a point to a box (0 for a point inside the box). "box" takes the larger of the
horizontal and vertical distances, so a tolerance extends the box equally on every side and keeps its corners
square. "euclidean" takes the straight-line distance, so the extended box has rounded corners."""

FlaggedBoxPolicy = Literal["hit", "ignore", "miss"]
"""How to count a point that lies only in flagged boxes (difficult or crowd) of its class: as a hit, not at all
(the image-class pair is ignored), or as a miss."""

Binning = Literal["width", "mass"]
"""How the calibration error bins probabilities: "width" (default) uses bins of equal width from 0 to 1, and
"mass" uses bins with equal numbers of (image, class) pairs, as far as tied probabilities allow."""

Reach = Literal["edge", "pixel"]
"""When a point counts as a hit in the pointing game: "edge" if its distance from the box (edges included) is at
most the tolerance; "pixel" if its distance from the center of the nearest pixel in the box is less than the
tolerance, as in TorchRay."""

MinusOne = Literal["absent", "unknown"]
"""What −1 means in a tag list with one column per class: "absent", with 0 for unknown, as in VOC's class files; or
"unknown", with 0 for absent, as in the labels of many medical datasets."""

Untagged = Literal["absent", "unknown"]
"""What an image without any tag says about every class: that it is "absent" (label −1), as if somebody had
looked at the image; or "unknown" (label 0), as if nobody had."""
