"""Add an int8 network to a model, using a few dozen images for quantization calibration.

The images need neither tags nor boxes, but they should resemble the images on which the model will be used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from freeloc._validation import CountOrZero, Seed, check_arguments
from freeloc.errors import ConfigurationError
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.inference.scoring_graph import int8_parts
from freeloc.io.lock import lock_file
from freeloc.io.progress import pluralize, print_status, track
from freeloc.models.file_access import check_content
from freeloc.models.header import ModelHeader
from freeloc.models.int8_facts import int8_facts
from freeloc.models.model import Model
from freeloc.models.registry import find_model, model_file, writable_path
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.posttraining.model_output import save_or_keep
from freeloc.posttraining.nncf_quantization import quantize_network
from freeloc.posttraining.requirements import check_quantization_available
from freeloc.runtime.protocol import Canvas

__all__ = ["CALIBRATION_IMAGES", "quantize", "quantized_path"]

CALIBRATION_IMAGES = 64
"""Default number of images for quantization calibration."""


@check_arguments
def quantize(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    calibration_images: CountOrZero = CALIBRATION_IMAGES,
    seed: Seed = 0,
    quiet: bool = False,
) -> Model:
    """Add an int8 network to a model, for faster prediction.

    On processors with native int8 arithmetic, the int8 network takes a third less time than the float network.
    ``Localizer.load(model, precision="int8")`` uses it. The head and the float network do not change.

    Args:
        model: a model file, a run folder, or a name; see `freeloc.models.registry.find_model`.
        images: the images available for quantization calibration; ``calibration_images`` of them are drawn.
        out: the model file to write. By default, the model's own file is replaced; for a model that ships with
            freeloc, a copy is written to the user's folder of models (``voc20-int8`` for ``voc20``).
        weights: local weight file of the backbone; None uses the backbone's default weights.
        calibration_images: number of images to draw; if there are fewer, all are used.
        seed: seed for drawing the images and their scales.
        quiet: whether to hide progress.

    Returns:
        The model with the int8 network.

    Raises:
        ConfigurationError: there are no images, or an argument has the wrong type or is out of range.
        MissingDependencyError: NNCF is not installed (the extra ``int8``).
        ImageError: an image cannot be read.
        ModelError: the model does not exist, its file is damaged, or it was replaced in the meantime.
        BackboneError: the backbone cannot be loaded.
        OutputError: the model file cannot be written, or another process is writing to it.
    """
    if not images or calibration_images < 1:
        raise ConfigurationError(
            "an int8 network requires images for quantization calibration: specify at least one",
            parameter="images" if not images else "calibration_images",
        )
    check_quantization_available()
    source = find_model(model)
    target = quantized_path(source, out)
    with lock_file(target):
        quantized = _quantize(source, images, weights, calibration_images, seed, quiet=quiet)
        save_or_keep(quantized, target)
    if not quiet:
        print_status(
            f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB); to use its int8 network, predict with "
            "precision int8"
        )
    return quantized


def quantized_path(source: Path, out: str | Path | None) -> Path:
    """Return the path to which `quantize` writes a model.

    Args:
        source: the model file.
        out: the requested path; see `quantize`.

    Raises:
        OutputError: nothing is requested, and there is no folder for a copy.
    """
    return writable_path(source, "int8") if out is None else model_file(out)


def _quantize(
    source: Path,
    images: Sequence[str | Path],
    weights: str | Path | None,
    calibration_images: int,
    seed: int,
    *,
    quiet: bool,
) -> Model:
    """Return the model with an int8 network."""
    float_model = Model.load(source)
    published = load_backbone(float_model.header.backbone, weights, download=False)
    backbone = float_model.adapt_backbone(published)
    canvases = _CalibrationCanvases.draw(
        images, calibration_images, float_model.header, backbone, seed, quiet=quiet
    )
    if not quiet:
        print_status(
            f"quantization calibration on {pluralize(len(canvases.images), 'image')} ({len(canvases)} canvases)"
        )
    layers, readout = int8_parts(backbone, float_model.head)
    # NNCF prints a progress bar in its own words to standard output, which freeloc reserves for results.
    with redirect_stdout(StringIO()):
        graph = quantize_network(backbone, layers, readout, canvases)
    facts: dict[str, Any] = {
        "images": len(canvases.images),
        "canvases": len(canvases),
        "seed": seed,
        "openvino": version("openvino"),
        "nncf": version("nncf"),
        **int8_facts(backbone.layout, backbone.pad_color, float_model.head.settings),
    }
    # Old model files store neither the layout nor the pad color, which the int8 network needs to run without the
    # backbone.
    header = replace(float_model.header, layout=backbone.layout, pad_color=backbone.pad_color, int8=facts)
    check_content(source, float_model.content_hash)
    return replace(float_model, header=header, int8=graph)


@dataclass(frozen=True, eq=False)
class _CalibrationCanvases:
    """The canvases of images, each image at some of the model's scales; every iteration computes them again.

    Attributes:
        images: the images, each with the scales at which it is used.
        pyramid: all scales of the model, and how its canvases are made.
        backbone: the backbone, which determines the cell layout and the pad color.
        quiet: whether to hide progress.
    """

    images: Sequence[tuple[str | Path, tuple[float, ...]]]
    pyramid: Pyramid
    backbone: Backbone
    quiet: bool

    @classmethod
    def draw(
        cls,
        images: Sequence[str | Path],
        count: int,
        header: ModelHeader,
        backbone: Backbone,
        seed: int,
        *,
        quiet: bool,
    ) -> _CalibrationCanvases:
        """Draw images, and draw scales for each image."""
        generator = np.random.default_rng(seed)
        drawn = [images[int(index)] for index in generator.permutation(len(images))[:count]]
        # Each image is used at about half of the scales, so twice as many images can be processed in the same
        # time, and all scales still occur.
        with_scales = [(image, _draw_scales(header.scales, generator)) for image in drawn]
        return cls(with_scales, header.pyramid, backbone, quiet)

    def __len__(self) -> int:
        return sum(len(scales) for _image, scales in self.images)

    def __iter__(self) -> Iterator[Canvas]:
        # NNCF asks for nothing after the last canvas, so the bar is completed before that is passed on.
        previous: Canvas | None = None
        for canvas in track(self._load(), "measuring value ranges", len(self), quiet=self.quiet):
            if previous is not None:
                yield previous
            previous = canvas
        if previous is not None:
            yield previous

    def _load(self) -> Iterator[Canvas]:
        layout, pad_color = self.backbone.layout, self.backbone.pad_color
        decode_scale = self.pyramid.decode_scale
        for image, scales in self.images:
            pyramid = self.pyramid.with_scales(scales)
            for _grid, canvas in load_canvases(image, pyramid, layout, pad_color, decode_scale=decode_scale):
                yield canvas


def _draw_scales(scales: tuple[float, ...], generator: np.random.Generator) -> tuple[float, ...]:
    drawn = tuple(scale for scale in scales if generator.random() < 0.5)
    return drawn or (scales[int(generator.integers(len(scales)))],)
