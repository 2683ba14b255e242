"""Effective position of a backbone's cells in the image, measured without boxes by mirroring images.

The score map of a mirrored image must be mirrored too. If cell j is centered at ``offset + stride · j``, a
response at column c and its counterpart at column c' of the mirrored image satisfy
``(offset + stride · c) + (offset + stride · c') = width``. Solving for the offset over many images gives the
effective center of cell 0, without any annotated box.

    python -m benchmarks.cell_center RUN DATA --split train
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image
from torch import nn

from benchmarks.workload import positive, run
from freeloc._typing import Float32Array
from freeloc.datasets import PRESENT, open_dataset
from freeloc.images.decode import load_image
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import AppendedModule, compile_network

_SHARPNESS = 2.0
"""The center of mass of exp(2 · standardized score) is near the peak, yet not restricted to cell centers."""


def _center_column(scores: Float32Array) -> float:
    weights = np.exp(_SHARPNESS * (scores - scores.max()) / max(float(scores.std()), 1e-3))
    columns = np.arange(scores.shape[1])
    return float((weights.sum(axis=0) * columns).sum() / weights.sum())


def main() -> None:
    """Print the offset and its standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cell_center",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="trained model")
    parser.add_argument("data", help="tagged dataset")
    parser.add_argument("--split", help="split of the dataset")
    parser.add_argument("--images", type=positive, default=300, help="number of images (default: 300)")
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    backbone = model.adapt_backbone(load_backbone(model.header.backbone))
    network = compile_network(backbone, AppendedModule(nn.Sequential(backbone.projection, model.head)))
    dataset = open_dataset(arguments.data, split=arguments.split, classes=model.header.classes)
    chosen = np.random.default_rng(0).permutation(len(dataset))[: arguments.images]
    stride, offsets = backbone.layout.stride, []
    for sample in (dataset.samples[index] for index in chosen):
        image = load_image(sample.path)
        width = 16 * stride
        height = max(2, round(image.shape[0] / image.shape[1] * 16)) * stride
        canvas = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        scores, mirrored = network(canvas), network(np.ascontiguousarray(canvas[:, ::-1]))
        for label in np.flatnonzero(sample.labels == PRESENT):
            columns = _center_column(scores[label]) + _center_column(mirrored[label])
            offsets.append((width - stride * columns) / 2)
    error = np.std(offsets) / np.sqrt(len(offsets))
    print(f"{backbone.name}: center of cell 0 at {np.mean(offsets):.1f} ± {error:.1f} canvas pixels")


if __name__ == "__main__":
    run(main)
