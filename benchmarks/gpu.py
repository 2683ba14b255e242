"""Prediction, extraction and training on one GPU, with generated images and without a network.

    python -m benchmarks.gpu

What is there is written after every part, so a run that is cut off leaves what it measured. On any machine
``--device cpu --quick`` shows that all of it runs.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.flops import FlopsOf
from benchmarks.gpu_network import (
    Forward,
    largest_batch,
    measure_agreement,
    measure_batches,
    measure_graphs,
)
from benchmarks.machine import describe, torch_peak
from benchmarks.record import update_record
from benchmarks.settings import run
from benchmarks.subject import fresh_model
from benchmarks.timing import Task, interleaved
from freeloc.datasets import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.errors import FreelocError
from freeloc.features.extract import extract
from freeloc.geometry.pyramid import TEST_SCALES, Pyramid
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.io.progress import print_status
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.efficientnet_lite import EfficientNetLite
from freeloc.nn.backbones.registry import DEFAULT_BACKBONE, load_backbone
from freeloc.runtime import Precision, compile_network, native_bfloat16
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured.

    Attributes:
        images: generated scenes.
        repeats: how often each is predicted in a round.
        agreement: images on which results are compared with the processor's.
        rounds: how often everything compared is run.
        batches: how many canvases at once.
        scales: of prediction.
        network_scales: of the network alone.
        training_scales: of extraction and training.
        most: the largest batch that is tried.
        matrix_side: rows and columns of the peak's matrices.
        epochs: of training.
        hidden: values of the hidden adaptation layer.
    """

    images: int = 256
    repeats: int = 2
    agreement: int = 16
    rounds: int = 3
    batches: tuple[int, ...] = (1, 4, 16, 64)
    scales: tuple[float, ...] = TEST_SCALES
    network_scales: tuple[float, ...] = (0.5, 1.0, 2.8)
    training_scales: tuple[float, ...] = Recipe().scales
    most: int = 2048
    matrix_side: int = 8192
    epochs: int = 2
    hidden: int = 2048


_FIRST_RUN = "from the cache"

_QUICK = Amounts(
    images=6,
    repeats=1,
    agreement=2,
    rounds=1,
    batches=(1, 2),
    scales=(0.2, 0.3),
    network_scales=(0.2, 0.3),
    training_scales=(0.2, 0.3),
    most=2,
    matrix_side=128,
    epochs=1,
    hidden=16,
)


@dataclass(frozen=True, eq=False)
class Bench:
    """What is measured, and where.

    Attributes:
        device: the GPU, or the processor.
        precision: what freeloc is asked for.
        amounts: how much is measured.
        backbone: its name.
        weights: a file of them; None takes the embedded ones.
        dataset: generated scenes.
        folder: for what is made meanwhile.
    """

    device: torch.device
    precision: Precision
    amounts: Amounts
    backbone: str
    weights: str | None
    dataset: Dataset
    folder: Path

    @property
    def computed(self) -> str:
        """The precision that is computed in."""
        if self.precision != "auto":
            return self.precision
        return "bfloat16" if self.device.type == "cuda" and native_bfloat16("cuda") else "float32"

    def fresh_backbone(self) -> Backbone:
        """A backbone of its own: a network takes the one it is given to its device."""
        return load_backbone(self.backbone, self.weights)

    @property
    def paths(self) -> list[Path]:
        """The images."""
        return [sample.path for sample in self.dataset]


def measure_network(bench: Bench, peaks: dict[str, float]) -> dict[str, Any]:
    """The network alone: pace and memory by batch, and CUDA graphs."""
    amounts, backbone = bench.amounts, bench.fresh_backbone()
    head = fresh_model(backbone, bench.dataset.classes, amounts.hidden).head
    forward = Forward(backbone, head, bench.computed, bench.device)
    scales, rounds = amounts.network_scales, amounts.rounds
    peak = peaks.get(bench.computed, peaks["float32"])
    rows = measure_batches(
        forward, FlopsOf(backbone, head), peak, scales=scales, batches=amounts.batches, rounds=rounds
    )
    graphs = measure_graphs(forward, scales=scales[:2], batches=amounts.batches[::2], rounds=rounds)
    return {"batches": rows, "graphs": graphs}


def measure_prediction(bench: Bench) -> dict[str, Any]:
    """Images per second from file to points, by batch."""
    amounts = bench.amounts
    paths = bench.paths * amounts.repeats
    model = fresh_model(bench.fresh_backbone(), bench.dataset.classes, amounts.hidden)

    def predict(batch: int) -> Callable[[], None]:
        options = LocalizerOptions(
            scales=amounts.scales, runtime="torch", precision=bench.precision, batch=batch
        )
        localizer = Localizer.from_model(model, bench.fresh_backbone(), options)
        return lambda: _exhaust(localizer.predict_many(paths))

    tasks: dict[str, Task] = {str(batch): predict(batch) for batch in amounts.batches}
    timings = interleaved(tasks, rounds=amounts.rounds)
    return {
        "images": len(paths),
        "scales": list(amounts.scales),
        "ms_per_image": timings.as_json(1e3 / len(paths)),
    }


def measure_extraction(bench: Bench) -> dict[str, Any]:
    """Images per second from file to cache, one canvas at a time and in the batches freeloc chooses."""
    amounts = bench.amounts
    pyramid = Pyramid(amounts.training_scales)
    made = 0

    def extraction(batch: int | None) -> Callable[[], None]:
        backbone = bench.fresh_backbone()
        network = compile_network(backbone, runtime="torch", precision=bench.precision, batch=batch)

        def anew() -> None:
            nonlocal made
            made += 1
            extract(
                bench.paths,
                backbone,
                network,
                pyramid,
                cache_folder=bench.folder / f"extracted{made}",
                quiet=True,
            )

        return anew

    several = None if bench.device.type == "cuda" else max(amounts.batches)
    tasks: dict[str, Task] = {"one at a time": extraction(1), "in batches": extraction(several)}
    timings = interleaved(tasks, rounds=amounts.rounds)
    return {
        "images": len(bench.dataset),
        "scales": list(amounts.training_scales),
        "ms_per_image": timings.as_json(1e3 / len(bench.dataset)),
        "times_faster": timings.ratio("one at a time", "in batches").as_json(),
    }


def measure_training(bench: Bench) -> dict[str, Any]:
    """A few epochs each way there is: from the cache, without one, and with the backbone's last stage."""
    amounts = bench.amounts
    recipe = replace(
        Recipe(),
        epochs=amounts.epochs,
        scales=amounts.training_scales,
        hidden=amounts.hidden,
        warm_start_epochs=1,
    )
    ways: dict[str, tuple[Recipe, bool]] = {
        _FIRST_RUN: (recipe, False),
        "without a cache": (recipe, True),
        "the last stage as well": (replace(recipe, trainable_backbone="7"), False),
    }
    found = {}
    for name, (chosen, live) in ways.items():
        out = bench.folder / name
        model = train(
            bench.dataset,
            out,
            TrainingSettings(
                backbone=bench.backbone,
                weights=bench.weights,
                recipe=chosen,
                runtime="torch",
                precision=bench.precision,
                cache_features=not live,
                cache_folder=bench.folder / "cache",
            ),
            quiet=True,
        )
        timings = model.header.manifest["timings"]
        last = json.loads((out / "log.jsonl").read_text("utf-8").splitlines()[-1])
        found[name] = {
            "features_seconds": timings["features_seconds"],
            "training_seconds": timings["training_seconds"],
            "last_epoch_seconds": last["seconds"],
            "loss": last["loss"],
        }
    return {"images": len(bench.dataset), "epochs": amounts.epochs, "ways": found}


def measure_trained(bench: Bench) -> dict[str, Any]:
    """How near the model that was just trained comes to the processor's float32."""
    model = Model.load(bench.folder / _FIRST_RUN)
    precisions = ["float32", *(["bfloat16"] if bench.computed == "bfloat16" else [])]
    return measure_agreement(
        model.adapt_backbone(bench.fresh_backbone()),
        model.head,
        bench.paths[: bench.amounts.agreement],
        bench.device,
        precisions,
        bench.amounts.scales,
    )


def measure_largest(bench: Bench) -> list[dict[str, Any]]:
    """The largest batch that fits at scale 1 and at the largest scale."""
    backbone = bench.fresh_backbone()
    head = fresh_model(backbone, bench.dataset.classes, bench.amounts.hidden).head
    forward = Forward(backbone, head, bench.computed, bench.device)
    finest = max(bench.amounts.scales)
    return [largest_batch(forward, scale, bench.amounts.most) for scale in sorted({min(1.0, finest), finest})]


def measured(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Name and results of one part after the other."""
    print_status(f"what the {_name(bench.device)} can do")
    peaks = torch_peak(bench.device, repeats=bench.amounts.rounds, side=bench.amounts.matrix_side)
    yield "peak_gflops", peaks
    print_status("the network alone")
    yield "network", measure_network(bench, peaks)
    print_status("from file to points")
    yield "prediction", measure_prediction(bench)
    print_status("from file to cache")
    yield "extraction", measure_extraction(bench)
    print_status("training")
    yield "training", measure_training(bench)
    print_status("the trained model, beside the processor")
    yield "agreement", measure_trained(bench)
    # The last: a kernel that fails may leave the device of no use to this process.
    print_status("the largest batch that fits")
    yield "largest", measure_largest(bench)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"


def _random_weights(backbone: str, folder: Path) -> str | None:
    """A file of random weights where the embedded ones are not installed: as fast, and of no other use."""
    try:
        load_backbone(backbone)
    except FreelocError:
        torch.manual_seed(0)
        file = folder / "random.safetensors"
        save_file(EfficientNetLite(backbone).state_dict(), file)
        return str(file)
    return None


def _exhaust(items: Iterable[object]) -> None:
    deque(items, maxlen=0)


def _device(name: str) -> torch.device:
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise FreelocError("torch finds no GPU: --device cpu --quick shows whether all of it runs")
    if name == "cpu" and there:
        raise FreelocError("freeloc would take the GPU: set CUDA_VISIBLE_DEVICES= to hide it")
    return torch.device(name)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write ``benchmarks.json`` and ``benchmarks.md``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--backbone", default=DEFAULT_BACKBONE)
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--images", type=int, help=f"how many (default: {Amounts().images})")
    parser.add_argument("--quick", action="store_true", help="a few images: does it run?")
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: docs; --quick: build/bench)"
    )
    arguments = parser.parse_args(words)
    device = _device(arguments.device)
    amounts = _QUICK if arguments.quick else Amounts()
    amounts = replace(amounts, images=arguments.images or amounts.images)
    out = arguments.out or Path("build/bench" if arguments.quick else "docs")
    with TemporaryDirectory(prefix="freeloc-gpu-") as made:
        folder = Path(made)
        weights = _random_weights(arguments.backbone, folder)
        scenes = generate_scenes(folder / "scenes", amounts.images, SceneSettings(seed=5), boxes=False)
        bench = Bench(device, arguments.precision, amounts, arguments.backbone, weights, scenes, folder)
        section: dict[str, Any] = {
            "quick": arguments.quick,
            "machine": describe(),
            "device": _name(device),
            "backbone": bench.backbone,
            "weights": "embedded" if weights is None else "random",
            "precision": bench.computed,
            "rounds": amounts.rounds,
        }
        for name, results in measured(bench):
            section[name] = results
            update_record(out, "gpu", section)
    print_status(f"wrote {out / 'benchmarks.md'}")


if __name__ == "__main__":
    run(main)
