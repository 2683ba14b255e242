"""Forward and backward through a backbone's trained stages: freeloc's depthwise gradients beside PyTorch's.

    python -m benchmarks.stage_gradients

On maps of noise, as large as those of a mini-batch of images of 500 by 375 pixels at scale 1: what they show
makes no difference to the time. Weights are the backbone's own.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence

import torch
from torch import nn

from benchmarks.machine import usable_cores
from benchmarks.timing import Spread, Task, interleaved
from freeloc.io.progress import print_status
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, load_backbone
from freeloc.runtime import native_bfloat16
from freeloc.training.depthwise_gradients import use_fast_gradients
from freeloc.training.device import autocast

__all__ = ["main", "measure_stage"]

_CPU = torch.device("cpu")
_CANVAS = (384, 512)
_STAGES = ("7", "6")
_IMAGES, _ROUNDS = 16, 5


def measure_stage(backbone: Backbone, stage: str, *, images: int, rounds: int) -> dict[str, Spread]:
    """Seconds of PyTorch's way and of freeloc's, and how many times as long the first takes.

    Args:
        backbone: the backbone.
        stage: the first that is trained.
        images: maps that go through at once.
        rounds: how often each way is run.
    """
    torch.set_num_threads(usable_cores())
    parts = backbone.split_at(stage)
    if parts.above is None:
        raise ValueError(f"stage {stage} has no layer that reads neighbouring cells")
    with torch.no_grad():
        size = parts.below(torch.zeros(1, *_CANVAS, 3, dtype=torch.uint8)).shape[1:]
    maps = torch.randn(images, *size, generator=torch.Generator().manual_seed(0))
    quick = copy.deepcopy(parts.above)
    use_fast_gradients(quick)
    timings = interleaved(
        {"PyTorch": _there_and_back(parts.above, maps), "freeloc": _there_and_back(quick, maps)},
        rounds=rounds,
    )
    return {
        "PyTorch": timings.spread("PyTorch"),
        "freeloc": timings.spread("freeloc"),
        "ratio": timings.ratio("PyTorch", "freeloc"),
    }


def _there_and_back(above: nn.Module, maps: torch.Tensor) -> Task:
    above.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    maps = maps.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        above.zero_grad()
        with autocast(_CPU, enabled=native_bfloat16(_CPU.type)):
            features = above(maps)
        features.float().square().mean().backward()

    return step


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stage_gradients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE, help="an EfficientNet-Lite backbone")
    parser.add_argument("--stages", nargs="+", default=_STAGES, help="first stages that are trained")
    parser.add_argument("--images", type=int, default=_IMAGES, help="maps that go through at once")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="how often each way is run")
    arguments = parser.parse_args(words)
    backbone = load_backbone(arguments.backbone)
    if not native_bfloat16(_CPU.type):
        print_status("this processor does not multiply bfloat16: both ways are PyTorch's")
    for stage in arguments.stages:
        found = measure_stage(backbone, stage, images=arguments.images, rounds=arguments.rounds)
        ratio = found["ratio"]
        print_status(
            f"from stage {stage} on: {1e3 * found['freeloc'].median:.0f} ms for {arguments.images} maps, "
            f"{ratio.median:.1f} times [{ratio.low:.1f}, {ratio.high:.1f}] as fast as PyTorch's gradients"
        )


if __name__ == "__main__":
    main()
