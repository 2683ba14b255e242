"""Where do a trunk's cells really look? Measured without boxes, by mirroring photographs.

What a class's score map shows for a mirrored photograph must be mirrored. If cell j is centred at
``offset + stride · j``, a response at column c and its twin at column c' in the mirrored photograph satisfy
``(offset + stride · c) + (offset + stride · c') = width``. Solving for the offset over many photographs gives
the effective centre of cell 0, with no look at any annotation.

    python benchmarks/cell_centre.py RUN DATA --split train
"""

from __future__ import annotations

import argparse

import numpy as np

from freeloc.datasets import PRESENT, open_dataset
from freeloc.geometry import Float64Array
from freeloc.localizer import Localizer
from freeloc.model import Model
from freeloc.photographs import load_photograph
from freeloc.runtime import Tail, compile_network
from freeloc.trunks import load_trunk

_SHARPNESS = 2.0
"""The centre of mass is taken over exp(2 · standardized score): around the peak, yet between the cells."""


def _centre_column(scores: Float64Array) -> float:
    weights = np.exp(_SHARPNESS * (scores - scores.max()) / max(float(scores.std()), 1e-3))
    columns = np.arange(scores.shape[1])
    return float((weights.sum(axis=0) * columns).sum() / weights.sum())


def main() -> None:
    """Print the offset and its standard error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--split")
    parser.add_argument("--photographs", type=int, default=300)
    arguments = parser.parse_args()
    from PIL import Image
    from torch import nn

    model = Model.load(arguments.model)
    trunk = model.adapted(load_trunk(model.trunk))
    network = compile_network(trunk, Tail(nn.Sequential(trunk.projection, model.head)))
    classes = Localizer(model, trunk).classes
    dataset = open_dataset(arguments.data, split=arguments.split, classes=classes)
    chosen = np.random.default_rng(0).permutation(len(dataset))[: arguments.photographs]
    stride, offsets = trunk.layout.stride, []
    for sample in (dataset.samples[index] for index in chosen):
        image = load_photograph(sample.path)
        width = 16 * stride
        height = max(2, round(image.shape[0] / image.shape[1] * 16)) * stride
        canvas = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        upright, mirrored = network(canvas), network(np.ascontiguousarray(canvas[:, ::-1]))
        for label in np.flatnonzero(sample.labels == PRESENT):
            columns = _centre_column(upright[label]) + _centre_column(mirrored[label])
            offsets.append((width - stride * columns) / 2)
    error = np.std(offsets) / np.sqrt(len(offsets))
    print(f"{trunk.name}: centre of cell 0 at {np.mean(offsets):.1f} ± {error:.1f} canvas pixels", flush=True)


if __name__ == "__main__":
    main()
