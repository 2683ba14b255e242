"""The networks of timm that have a short name: do OpenVINO and torch compute the same features, and how fast?

    python -m benchmarks.backbones
    python -m benchmarks.backbones dinov2-small fastvit-t8

The networks have random weights, so nothing is downloaded. The table shows how much the features of one canvas
differ in float32, as a fraction of their norm, and the milliseconds per image that ``freeloc backbones
--benchmark`` measures. The canvas has another shape than the one with which networks are converted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from benchmarks.peers import import_peer
from benchmarks.workload import run
from freeloc.features.list_backbones import backbones
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.catalog import CATALOG
from freeloc.nn.backbones.untrained import create_untrained_backbone
from freeloc.runtime import compile_network

__all__ = ["NAMES", "create_random", "main", "relative_difference"]

NAMES: Final = tuple(facts.name for facts in CATALOG if facts.loads.startswith("timm:"))
"""The short names of networks of timm."""

_ROWS, _COLS = 7, 11
"""Number of cells of the canvas."""

_DEVIATION = 0.02
"""Standard deviation of what is added to each weight: timm initializes some with 0, or so small that they hardly
have an effect."""


def create_random(name: str) -> Backbone:
    """Create a backbone in which every weight has a random value with an effect.

    Args:
        name: a short name, or ``timm:NAME``.

    Raises:
        MissingDependencyError: timm is not installed or cannot be imported.
    """
    import_peer("timm", "timm")  # also with a torchvision that was built for another version of torch
    torch.manual_seed(0)
    backbone = create_untrained_backbone(name)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=_DEVIATION)
    backbone.freeze()
    return backbone


def relative_difference(backbone: Backbone) -> float:
    """Return the difference of the features of OpenVINO from those of torch, as a fraction of their norm."""
    stride = backbone.layout.stride
    shape = _ROWS * stride, _COLS * stride, 3
    canvas = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    wanted = compile_network(backbone, runtime="torch", precision="float32")(canvas)
    found = compile_network(backbone, runtime="openvino", precision="float32", cached=False)(canvas)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table in Markdown, one row after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backbones",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="backbones of timm (default: all with a name)"
    )
    chosen = parser.parse_args(arguments)
    print("| name | difference of the features | ms per image |")
    print("|---|---|---|", flush=True)
    for name in chosen.names or NAMES:
        difference = relative_difference(create_random(name))
        (listed,) = backbones([name], benchmark=True, quiet=True)
        print(f"| `{name}` | {difference:.1e} | {listed.milliseconds} |", flush=True)


if __name__ == "__main__":
    run(main)
