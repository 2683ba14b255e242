"""Where do a backbone's cells really look? Measured without boxes, by mirroring images.

What a class's score map shows for a mirrored image must be mirrored. If cell j is centred at
``offset + stride · j``, a response at column c and its twin at column c' in the mirrored image satisfy
``(offset + stride · c) + (offset + stride · c') = width``. Solving for the offset over many images gives
the effective centre of cell 0, with no look at any annotation.

    python benchmarks/cell_centre.py RUN DATA --split train
"""

from __future__ import annotations

import argparse

import numpy as np

from freeloc._typing import Float64Array
from freeloc.datasets import PRESENT, open_dataset
from freeloc.images.decode import load_image
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import AppendedModule, compile_network

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
    parser.add_argument("--images", type=int, default=300)
    arguments = parser.parse_args()
    from PIL import Image
    from torch import nn

    model = Model.load(arguments.model)
    backbone = model.adapt_backbone(load_backbone(model.header.backbone))
    network = compile_network(backbone, AppendedModule(nn.Sequential(backbone.projection, model.head)))
    classes = model.header.classes
    dataset = open_dataset(arguments.data, split=arguments.split, classes=classes)
    chosen = np.random.default_rng(0).permutation(len(dataset))[: arguments.images]
    stride, offsets = backbone.layout.stride, []
    for sample in (dataset.samples[index] for index in chosen):
        image = load_image(sample.path)
        width = 16 * stride
        height = max(2, round(image.shape[0] / image.shape[1] * 16)) * stride
        canvas = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        upright, mirrored = network(canvas), network(np.ascontiguousarray(canvas[:, ::-1]))
        for label in np.flatnonzero(sample.labels == PRESENT):
            columns = _centre_column(upright[label]) + _centre_column(mirrored[label])
            offsets.append((width - stride * columns) / 2)
    error = np.std(offsets) / np.sqrt(len(offsets))
    print(
        f"{backbone.name}: centre of cell 0 at {np.mean(offsets):.1f} ± {error:.1f} canvas pixels", flush=True
    )


if __name__ == "__main__":
    main()
