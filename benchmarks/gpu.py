"""Prediction, feature extraction and training on one GPU, with generated images and without network access.

    python -m benchmarks.gpu

Results are written after every part, so an interrupted run retains the finished ones. ``--device cpu
--quick`` checks on any machine that the benchmark works.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks import gpu_network
from benchmarks.cost import FlopCounter
from benchmarks.gpu_network import Forward
from benchmarks.gpu_pipeline import (
    CACHED,
    GpuAmounts,
    GpuWorkload,
    measure_extraction,
    measure_prediction,
    measure_training,
    render_extraction,
    render_prediction,
    render_training,
)
from benchmarks.machine import describe, torch_peak
from benchmarks.results import Section, save_section
from benchmarks.workload import positive, run, untrained_model
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import BackboneError, ConfigurationError
from freeloc.io.progress import print_status
from freeloc.models.model import Model
from freeloc.nn.backbones.efficientnet_lite import EfficientNetLite
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, load_backbone

__all__ = ["main", "render"]

_QUICK = GpuAmounts(
    images=6,
    repeats=1,
    agreement=2,
    rounds=1,
    batches=(1, 2),
    scales=(0.2, 0.3),
    network_scales=(0.2, 0.3),
    training_scales=(0.2, 0.3),
    max_batch=2,
    matrix_side=128,
    epochs=1,
    hidden=16,
)


def measured(workload: GpuWorkload) -> Iterator[tuple[str, Any]]:
    """Yield name and results of one part after the other."""
    print_status(f"measuring the peak speeds of the {_name(workload.device)}")
    peaks = torch_peak(workload.device, repeats=workload.amounts.rounds, side=workload.amounts.matrix_side)
    yield "peak_gflops", peaks
    print_status("measuring the network alone")
    yield "network", _measure_network(workload, peaks)
    print_status("measuring prediction")
    yield "prediction", measure_prediction(workload)
    print_status("measuring feature extraction")
    yield "extraction", measure_extraction(workload)
    print_status("measuring training")
    yield "training", measure_training(workload)
    print_status("comparing the trained model with the processor")
    yield "agreement", _measure_agreement(workload)
    # Last, because a kernel that fails may make the device unusable for this process.
    print_status("searching for the largest batch")
    yield "largest", _measure_largest(workload)


def _measure_network(workload: GpuWorkload, peaks: dict[str, float]) -> dict[str, Any]:
    """Measure the network alone: speed and memory for each batch, and CUDA graphs."""
    amounts = workload.amounts
    forward, count = _forward(workload)
    scales, rounds = amounts.network_scales, amounts.rounds
    peak = peaks.get(workload.computed_precision, peaks["float32"])
    rows = gpu_network.measure_batches(
        forward, count, peak, scales=scales, batches=amounts.batches, rounds=rounds
    )
    graphs = gpu_network.measure_graphs(
        forward, scales=scales[:2], batches=amounts.batches[::2], rounds=rounds
    )
    return {"batches": rows, "graphs": graphs}


def _measure_agreement(workload: GpuWorkload) -> dict[str, Any]:
    """Compare the model trained from cached features with float32 on the processor."""
    model = Model.load(workload.folder / CACHED)
    precisions = ["float32", *(["bfloat16"] if workload.computed_precision == "bfloat16" else [])]
    return gpu_network.measure_agreement(
        model.adapt_backbone(workload.new_backbone()),
        model.head,
        workload.paths[: workload.amounts.agreement],
        workload.device,
        precisions,
        workload.amounts.scales,
    )


def _measure_largest(workload: GpuWorkload) -> list[dict[str, Any]]:
    """Find the largest batch that fits into memory at scale 1 and at the largest scale."""
    forward, _ = _forward(workload)
    finest = max(workload.amounts.scales)
    return [
        gpu_network.largest_batch(forward, scale, workload.amounts.max_batch)
        for scale in sorted({min(1.0, finest), finest})
    ]


def _forward(workload: GpuWorkload) -> tuple[Forward, FlopCounter]:
    backbone = workload.new_backbone()
    head = untrained_model(backbone, workload.dataset.classes, workload.amounts.hidden).head
    forward = Forward(backbone, head, workload.computed_precision, workload.device)
    return forward, FlopCounter(backbone, head)


def render(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks of the section, without parts that were not measured."""
    machine = section["machine"]
    yield "## One GPU"
    peaks = section.get("peak_gflops", {})
    speeds = ", ".join(f"{value / 1e3:,.3g} TFLOP/s in {precision}" for precision, value in peaks.items())
    yield (
        f"{section['device']} and {machine['cores']} processor cores; torch "
        f"{machine['versions'].get('torch', '?')}; backbone `{section['backbone']}` ({section['weights']} "
        f"weights), {section['precision']}, generated images, {section['rounds']} rounds."
        + (f" A large matrix product reaches {speeds}." if speeds else "")
    )
    renderers: dict[str, Callable[[Any], Iterator[str]]] = {
        "network": gpu_network.render_network,
        "prediction": render_prediction,
        "extraction": render_extraction,
        "training": render_training,
        "agreement": gpu_network.render_agreement,
        "largest": gpu_network.render_largest,
    }
    for name, render_part in renderers.items():
        if name in section:
            yield from render_part(section[name])


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"


def _random_weights(backbone: str, folder: Path) -> str | None:
    """Write a file of random weights, which run as fast, if the embedded ones are not installed."""
    try:
        load_backbone(backbone)
    except BackboneError:
        torch.manual_seed(0)
        file = folder / "random.safetensors"
        save_file(EfficientNetLite(backbone).state_dict(), file)
        return str(file)
    return None


def _device(name: str) -> torch.device:
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigurationError(
            "torch cannot use a GPU: --device cpu --quick checks whether the benchmark works",
            parameter="device",
        )
    if name == "cpu" and available:
        raise ConfigurationError(
            "freeloc would use the GPU: set CUDA_VISIBLE_DEVICES= to hide it", parameter="device"
        )
    return torch.device(name)


def main(words: Sequence[str] | None = None) -> None:
    """Measure all parts, and write the results and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE)
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument(
        "--images", type=positive, help=f"number of generated images (default: {GpuAmounts().images})"
    )
    parser.add_argument("--quick", action="store_true", help="measure a few images, to check that it works")
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: docs, with --quick: build/bench)"
    )
    arguments = parser.parse_args(words)
    device = _device(arguments.device)
    amounts = _QUICK if arguments.quick else GpuAmounts()
    amounts = replace(amounts, images=arguments.images or amounts.images)
    out = arguments.out or Path("build/bench" if arguments.quick else "docs")
    with TemporaryDirectory(prefix="freeloc-gpu-") as name:
        folder = Path(name)
        weights = _random_weights(arguments.backbone, folder)
        scenes = generate_scenes(folder / "scenes", amounts.images, SceneSettings(seed=5), boxes=False)
        workload = GpuWorkload(
            device, arguments.precision, amounts, arguments.backbone, weights, scenes, folder
        )
        section: dict[str, Any] = {
            "quick": arguments.quick,
            "machine": describe(),
            "device": _name(device),
            "backbone": workload.backbone,
            "weights": "embedded" if weights is None else "random",
            "precision": workload.computed_precision,
            "rounds": amounts.rounds,
        }
        for part, results in measured(workload):
            section[part] = results
            save_section(out, "gpu", section, machine=section["device"])
    print_status(f"wrote {out / 'benchmarks.md'}")


if __name__ == "__main__":
    run(main)
