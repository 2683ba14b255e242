"""Add an int8 network to a model, using some images for quantization calibration.

The images need neither tags nor boxes, but they should resemble the images on which the model will be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

from freeloc.inference.scoring_graph import int8_parts
from freeloc.io.progress import pluralize, print_status
from freeloc.models.int8_facts import int8_facts
from freeloc.models.int8_weights import FLOAT_WEIGHTS
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.training.quantization.canvases import CalibrationCanvases
from freeloc.training.quantization.nncf_quantization import quantize_network

__all__ = ["CALIBRATION_IMAGES", "add_int8_network"]

CALIBRATION_IMAGES = 192
"""Default number of images for quantization calibration."""


def add_int8_network(
    model: Model,
    backbone: Backbone,
    images: Sequence[str | Path],
    *,
    calibration_images: int = CALIBRATION_IMAGES,
    seed: int = 0,
    quiet: bool = False,
) -> Model:
    """Return a model with an int8 network; its head and its float network do not change.

    Args:
        model: the model.
        backbone: the backbone on which it was trained.
        images: the images available for quantization calibration, at least one.
        calibration_images: number of images to draw; if there are fewer, all are used.
        seed: seed for drawing the images and their scales.
        quiet: whether to hide progress.

    Raises:
        MissingDependencyError: NNCF or OpenVINO cannot be imported.
        BackboneError: the model was trained on another backbone.
        ImageError: an image cannot be read.
    """
    adapted = model.adapt_backbone(backbone)
    canvases = CalibrationCanvases.draw(images, calibration_images, model.header, adapted, seed, quiet=quiet)
    drawn = min(calibration_images, len(images))
    if not quiet:
        print_status(f"quantization calibration on {pluralize(drawn, 'image')} ({len(canvases)} canvases)")
    layers, readout = int8_parts(adapted, model.head)
    # NNCF prints a progress bar in its own words to standard output, which freeloc reserves for results.
    with redirect_stdout(StringIO()):
        graph = quantize_network(adapted, layers, readout, canvases)
    facts: dict[str, Any] = {
        "images": drawn,
        "canvases": len(canvases),
        "seed": seed,
        "openvino": version("openvino"),
        "nncf": version("nncf"),
        **int8_facts(adapted.layout, adapted.pad_color, model.head.settings),
        FLOAT_WEIGHTS: model.float_weights_digest(),
    }
    # Old model files store neither the layout nor the pad color, which the int8 network needs to run without the
    # backbone.
    header = replace(model.header, layout=adapted.layout, pad_color=adapted.pad_color, int8=facts)
    return replace(model, header=header, int8=graph)
