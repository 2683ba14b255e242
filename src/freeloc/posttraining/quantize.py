"""Int8 networks for models: the same search in eight bits, calibrated on a few dozen images.

The images need neither tags nor boxes; like those that will be predicted is all they should be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.canvas import load_canvases
from freeloc.inference.scoring_graph import int8_parts
from freeloc.io.progress import pluralize, print_status
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.models.registry import find_model, model_file, writable_path
from freeloc.nn.backbones.registry import load_backbone
from freeloc.posttraining.nncf_quantization import quantize_network
from freeloc.runtime.protocol import Canvas

__all__ = ["IMAGES", "quantize"]

IMAGES = 64
"""How many images a network is calibrated on, unless another number is given."""


def quantize(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    calibration_images: int = IMAGES,
    seed: int = 0,
    quiet: bool = False,
) -> Model:
    """Give a model an int8 network beside its head: a third less time, for processors that multiply eight bits.

    ``Localizer.load(model, precision="int8")`` runs it. Head and float network stay as they are.

    Args:
        model: a model file, the run folder that holds it, or a name, see `freeloc.models.registry.find_model`.
        images: images to draw from.
        out: the model file to write; default: the model's own, as a whole. One that comes with freeloc stays as it
            is, and the new one lies in the user's folder, where its name finds it from then on.
        weights: local weight file of the backbone, where it is not the embedded one.
        calibration_images: how many are drawn; all where there are fewer.
        seed: of the draw.
        quiet: say nothing.

    Returns:
        The model as it was written.

    Raises:
        FreelocError: NNCF is not installed (the extra ``int8``), there is no image or one cannot be read, the
            backbone's weights cannot be had, or the file cannot be written.
    """
    if not images or calibration_images < 1:
        raise FreelocError("an int8 network is calibrated on images: give at least one")
    source = find_model(model)
    target = writable_path(source) if out is None else model_file(out)
    float_model = Model.load(source)
    backbone = float_model.adapt_backbone(load_backbone(float_model.header.backbone, weights))
    calibration = _Calibration(
        images, float_model.header, backbone.layout, backbone.pad_color, calibration_images, seed
    )
    if not quiet:
        print_status(f"calibrating on {pluralize(calibration.images, 'image')}, {len(calibration)} canvases")
    scores, readout = int8_parts(backbone, float_model.head)
    # NNCF shows its progress on standard output, which is for results.
    with redirect_stdout(StringIO() if quiet else sys.stderr):
        graph = quantize_network(backbone, scores, readout, calibration)
    facts: dict[str, Any] = {
        "images": calibration.images,
        "canvases": len(calibration),
        "seed": seed,
        "openvino": version("openvino"),
        "nncf": version("nncf"),
    }
    # Older files leave layout and fill to the backbone; with them, the network runs without it.
    header = replace(float_model.header, layout=backbone.layout, pad_color=backbone.pad_color, int8=facts)
    made = replace(float_model, header=header, int8=graph)
    made.save(target)
    if not quiet:
        print_status(f"wrote {target}, {target.stat().st_size / 1e6:.1f} MB: run it with --precision int8")
    return made


class _Calibration:
    """Canvases of images at some of the model's scales, laid out whenever they are asked for."""

    def __init__(
        self,
        images: Sequence[str | Path],
        header: ModelHeader,
        layout: CellLayout,
        pad_color: tuple[int, int, int],
        calibration_images: int,
        seed: int,
    ) -> None:
        generator = np.random.default_rng(seed)
        drawn = [images[int(index)] for index in generator.permutation(len(images))[:calibration_images]]
        self.images = len(drawn)
        self._pyramid = Pyramid(header.scales, header.padding)
        self._layout = layout
        self._fill = pad_color
        # About half of the scales of each: every scale is seen, and twice as many images in the same time.
        self._drawn = [(image, _some(header.scales, generator)) for image in drawn]

    def __len__(self) -> int:
        return sum(len(scales) for _image, scales in self._drawn)

    def __iter__(self) -> Iterator[Canvas]:
        finest = max(self._pyramid.scales)
        for image, scales in self._drawn:
            pyramid = Pyramid(scales, self._pyramid.padding)
            for _grid, canvas in load_canvases(image, pyramid, self._layout, self._fill, decode_scale=finest):
                yield canvas


def _some(scales: tuple[float, ...], generator: np.random.Generator) -> tuple[float, ...]:
    chosen = tuple(scale for scale in scales if generator.random() < 0.5)
    return chosen or (scales[int(generator.integers(len(scales)))],)
