"""Gradients of a backbone's trained stages: freeloc's depthwise gradients compared with PyTorch's.

    python -m benchmarks.stage_gradients

A forward and a backward pass run on feature maps of noise, which take as long as real ones, of the size of a
mini-batch of 500 × 375 pixel images at scale 1.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence

import torch
from torch import nn

from benchmarks.machine import usable_cores
from benchmarks.timing import Spread, Task, interleaved
from benchmarks.workload import positive, run
from freeloc.errors import ConfigurationError
from freeloc.io.progress import print_status
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, load_backbone
from freeloc.runtime import bfloat16_is_faster
from freeloc.training.depthwise_gradients import use_fast_gradients
from freeloc.training.device import autocast

__all__ = ["main", "measure_stage"]

_CPU = torch.device("cpu")
_CANVAS = (384, 512)
_STAGES = ("7", "6")
_IMAGES, _ROUNDS = 16, 5


def measure_stage(backbone: Backbone, stage: str, *, images: int, rounds: int) -> dict[str, Spread]:
    """Time PyTorch's gradients and freeloc's.

    Args:
        backbone: the backbone.
        stage: the first trained stage.
        images: number of feature maps in a batch.
        rounds: number of rounds.

    Returns:
        Seconds of both, and their ratio.

    Raises:
        ConfigurationError: no trained layer has a spatial kernel.
    """
    torch.set_num_threads(usable_cores())
    parts = backbone.split_at(stage)
    if parts.above is None:
        raise ConfigurationError(
            f"stage {stage} has no spatial convolution: choose a stage below it", parameter="stage"
        )
    with torch.no_grad():
        size = parts.below(torch.zeros(1, *_CANVAS, 3, dtype=torch.uint8)).shape[1:]
    maps = torch.randn(images, *size, generator=torch.Generator().manual_seed(0))
    fast = copy.deepcopy(parts.above)
    use_fast_gradients(fast)
    timings = interleaved(
        {
            "PyTorch": _forward_and_backward(parts.above, maps),
            "freeloc": _forward_and_backward(fast, maps),
        },
        rounds=rounds,
    )
    return {
        "PyTorch": timings.spread("PyTorch"),
        "freeloc": timings.spread("freeloc"),
        "ratio": timings.ratio("PyTorch", "freeloc"),
    }


def _forward_and_backward(above: nn.Module, maps: torch.Tensor) -> Task:
    above.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    maps = maps.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        above.zero_grad()
        with autocast(_CPU, enabled=bfloat16_is_faster(_CPU.type)):
            features = above(maps)
        features.float().square().mean().backward()

    return step


def main(words: Sequence[str] | None = None) -> None:
    """Time the gradients and print the times."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stage_gradients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE, help="an EfficientNet-Lite backbone")
    parser.add_argument("--stages", nargs="+", default=_STAGES, help="first trained stages to measure")
    parser.add_argument("--images", type=positive, default=_IMAGES, help="feature maps in a batch")
    parser.add_argument("--rounds", type=positive, default=_ROUNDS, help="number of rounds")
    arguments = parser.parse_args(words)
    backbone = load_backbone(arguments.backbone)
    if not bfloat16_is_faster(_CPU.type):
        print_status("this processor is not faster in bfloat16: both use PyTorch's gradients")
    for stage in arguments.stages:
        spreads = measure_stage(backbone, stage, images=arguments.images, rounds=arguments.rounds)
        ratio = spreads["ratio"]
        print_status(
            f"from stage {stage}: {1e3 * spreads['freeloc'].median:.0f} ms for {arguments.images} maps, "
            f"{ratio.median:.1f}× [{ratio.low:.1f}, {ratio.high:.1f}] as fast as PyTorch's gradients"
        )


if __name__ == "__main__":
    run(main)
