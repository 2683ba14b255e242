"""Int8 networks for models: the same search in eight bits, calibrated on a few dozen photographs.

The photographs need neither tags nor boxes; like those that will be predicted is all they should be.
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

from freeloc.canvas import lay_out
from freeloc.errors import FreelocError
from freeloc.geometry import CellLayout, Pyramid
from freeloc.model import Model
from freeloc.progress import counted, say
from freeloc.registry import find_model, model_file, place_to_write
from freeloc.runtime import Tail, quantized_graph
from freeloc.runtime.network import Canvas
from freeloc.search import CellScores, MapReading
from freeloc.trunks import load_trunk

__all__ = ["PHOTOGRAPHS", "quantize"]

PHOTOGRAPHS = 64
"""How many photographs a network is calibrated on, unless another number is given."""


def quantize(
    model: str | Path,
    photos: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    photographs: int = PHOTOGRAPHS,
    seed: int = 0,
    quiet: bool = False,
) -> Model:
    """Give a model an int8 network beside its head: a third less time, for processors that multiply eight bits.

    ``Localizer.load(model, precision="int8")`` runs it. Head and float network stay as they are.

    Args:
        model: a model file, the run folder that holds it, or a name, see `freeloc.registry.find_model`.
        photos: photographs to draw from.
        out: the model file to write; default: the model's own, as a whole. One that comes with freeloc stays as it
            is, and the new one lies in the user's folder, where its name finds it from then on.
        weights: local weight file of the trunk, where it is not the embedded one.
        photographs: how many are drawn; all where there are fewer.
        seed: of the draw.
        quiet: say nothing.

    Returns:
        The model as it was written.

    Raises:
        FreelocError: NNCF is not installed (the extra ``int8``), there is no photograph or one cannot be read, the
            trunk's weights cannot be had, or the file cannot be written.
    """
    if not photos or photographs < 1:
        raise FreelocError("an int8 network is calibrated on photographs: give at least one")
    source = find_model(model)
    target = place_to_write(source) if out is None else model_file(out)
    float_model = Model.load(source)
    trunk = float_model.adapted(load_trunk(float_model.trunk, weights))
    calibration = _Calibration(photos, float_model, trunk.layout, trunk.fill, photographs, seed)
    if not quiet:
        say(f"calibrating on {counted(calibration.photographs, 'photograph')}, {len(calibration)} canvases")
    scores, reading = CellScores(trunk.projection, float_model.head), Tail(MapReading(), extras=(2, 3))
    # NNCF shows its progress on standard output, which is for results.
    with redirect_stdout(StringIO() if quiet else sys.stderr):
        graph = quantized_graph(trunk, scores, reading, calibration)
    facts: dict[str, Any] = {
        "photographs": calibration.photographs,
        "canvases": len(calibration),
        "seed": seed,
        "openvino": version("openvino"),
        "nncf": version("nncf"),
    }
    # Older files leave layout and fill to the trunk; with them, the network runs without it.
    made = replace(float_model, layout=trunk.layout, fill=trunk.fill, int8=graph, int8_facts=facts)
    made.save(target)
    if not quiet:
        say(f"wrote {target}, {target.stat().st_size / 1e6:.1f} MB: run it with --precision int8")
    return made


class _Calibration:
    """Canvases of photographs at some of the model's scales, laid out whenever they are asked for."""

    def __init__(
        self,
        photos: Sequence[str | Path],
        model: Model,
        layout: CellLayout,
        fill: tuple[int, int, int],
        photographs: int,
        seed: int,
    ) -> None:
        dice = np.random.default_rng(seed)
        drawn = [photos[int(index)] for index in dice.permutation(len(photos))[:photographs]]
        self.photographs = len(drawn)
        self._pyramid = Pyramid(model.scales, model.padding)
        self._layout = layout
        self._fill = fill
        # About half of the scales of each: every scale is seen, and twice as many photographs in the same time.
        self._drawn = [(photo, _some(model.scales, dice)) for photo in drawn]

    def __len__(self) -> int:
        return sum(len(scales) for _photo, scales in self._drawn)

    def __iter__(self) -> Iterator[Canvas]:
        finest = max(self._pyramid.scales)
        for photo, scales in self._drawn:
            pyramid = Pyramid(scales, self._pyramid.padding)
            for _grid, canvas in lay_out(photo, pyramid, self._layout, self._fill, decoded_for=finest):
                yield canvas


def _some(scales: tuple[float, ...], dice: np.random.Generator) -> tuple[float, ...]:
    chosen = tuple(scale for scale in scales if dice.random() < 0.5)
    return chosen or (scales[int(dice.integers(len(scales)))],)
