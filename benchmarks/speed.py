"""Speed, memory and disk space as a user meets them: the page docs/speed.md.

    python -m benchmarks.speed --data VOCdevkit/VOC2012 --measure predict
    python -m benchmarks.speed --data VOCdevkit/VOC2012 --measure predict --int8-only
    python -m benchmarks.speed --data VOCdevkit/VOC2012 --measure train --counts 100 1000

Every figure is that of a ``freeloc`` process: the time to the first result, with an empty cache and with a filled
one; the time per image of each preset; the stages of training, with an empty feature cache and with a filled one;
peak memory, and disk space. With ``--int8-only``, the processes run as on a processor that has instructions for
int8 (VNNI) but none for bfloat16. The results of a machine replace only its own earlier results of the same
measurement.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import freeloc
from benchmarks.growth_commands import repeat_images
from benchmarks.machine import describe
from benchmarks.results import Section, load_results, name_in_results, render_again, save_section
from benchmarks.timing import ProcessUsage, Spread, run_process
from benchmarks.workload import cpu_precision, default_data, output_folder, positive, run
from freeloc.datasets import Dataset, DatasetChecks, open_dataset
from freeloc.datasets.dataset import PRESENT
from freeloc.errors import DatasetError, FreelocError
from freeloc.inference.presets import PRESETS
from freeloc.io.progress import print_status
from freeloc.models.header import ModelFile
from freeloc.models.registry import find_model
from freeloc.runtime import cpu_supports_int8

__all__ = [
    "Processes",
    "main",
    "measure_installation",
    "measure_prediction",
    "measure_training",
    "run_training",
    "save_record",
    "write_tags",
]

_INT8_ONLY = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}
"""Environment in which OpenVINO and torch compute as on a processor without bfloat16 instructions."""

_SEED = 0
_IMAGES, _ROUNDS, _COUNTS = 60, 3, (100, 1_000)
_QUICK_IMAGES, _QUICK_ROUNDS, _QUICK_COUNTS = 4, 1, (5,)

_START_UP_IMAGES = 2
"""Images of the run whose time is subtracted as start-up; a single image takes a different code path."""


@dataclass(frozen=True, slots=True)
class Processes:
    """How ``freeloc`` is run.

    Attributes:
        precision: precision of float networks and of training.
        environment: environment variables of the processes.
    """

    precision: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, words: Sequence[str], cache: Path) -> ProcessUsage:
        """Run ``freeloc`` with a folder as its cache.

        Raises:
            FreelocError: the command fails.
        """
        environment = {**self.environment, "FREELOC_CACHE": str(cache)}
        return run_process([sys.executable, "-m", "freeloc", *words], f"freeloc {words[0]}", environment)

    def predict(self, model: Path, images: Path, precision: str, preset: str, cache: Path) -> ProcessUsage:
        """Predict an image or all images of a folder."""
        with TemporaryDirectory() as out:
            words = ["predict", str(model), str(images), "--out", out, "--quiet", "--runtime", "openvino"]
            return self.run([*words, "--precision", precision, "--preset", preset], cache)


# --- prediction
# ------------------------------------------------------------------------------------------


def measure_prediction(
    processes: Processes,
    model: Path,
    images: Sequence[Path],
    *,
    rounds: int,
    presets: Sequence[str] = tuple(PRESETS),
) -> dict[str, Any]:
    """Measure prediction in float and, if the model has an int8 network that runs on this processor, in int8.

    Args:
        processes: how freeloc is run.
        model: the model file.
        images: images to predict, more than two.
        rounds: number of rounds, in each of which all presets run.
        presets: names of the presets.

    Returns:
        For each precision, the seconds from the start of the process to the end of the first image, with an empty
        cache and later, the size of the compiled graph, and for each preset the milliseconds per image, without
        start-up, and the peak memory.
    """
    has_int8 = ModelFile.open(model).header.int8 is not None and cpu_supports_int8()
    results: dict[str, Any] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        few = repeat_images(images, _START_UP_IMAGES, folder / "few")
        many = repeat_images(images, len(images), folder / "many")
        for precision in (processes.precision, *(["int8"] if has_int8 else [])):
            cache = folder / precision

            def predict(
                place: Path, preset: str, precision: str = precision, cache: Path = cache
            ) -> ProcessUsage:
                return processes.predict(model, place, precision, preset, cache)

            first = predict(images[0], presets[-1])
            later = [predict(images[0], presets[-1]) for _ in range(rounds)]
            short: dict[str, list[ProcessUsage]] = {preset: [] for preset in presets}
            long: dict[str, list[ProcessUsage]] = {preset: [] for preset in presets}
            for _ in range(rounds):
                for preset in presets:
                    short[preset].append(predict(few, preset))
                    long[preset].append(predict(many, preset))
            results[precision] = {
                "first_run_seconds": round(first.seconds, 2),
                "later_run_seconds": _seconds(later),
                "one_image_peak_mb": round(max(usage.peak_mb for usage in (first, *later)), 1),
                "graph_mb": round(_folder_mb(cache / "graphs"), 1),
                "presets": {
                    preset: _per_image(long[preset], short[preset], len(images)) for preset in presets
                },
            }
            print_status(f"{precision}: {results[precision]}")
    return {
        "images": len(images),
        "rounds": rounds,
        "model": model.stem,
        "model_mb": round(model.stat().st_size / 1e6, 1),
        "precisions": results,
    }


def _seconds(runs: Sequence[ProcessUsage]) -> dict[str, float]:
    return Spread.of([usage.seconds for usage in runs]).to_dict()


def _per_image(long: Sequence[ProcessUsage], short: Sequence[ProcessUsage], count: int) -> dict[str, Any]:
    pairs = zip(long, short, strict=True)
    ms = [1e3 * (a.seconds - b.seconds) / (count - _START_UP_IMAGES) for a, b in pairs]
    return {"ms": Spread.of(ms).to_dict(), "peak_mb": round(max(usage.peak_mb for usage in long), 1)}


def _with_int8(model: Path, images: Sequence[Path], work: Path) -> tuple[Path, float | None]:
    """Return a model with an int8 network, and the seconds that creating one took, if it was created.

    The model's own int8 network is used, if it has one; then another is created only to measure the time.
    """
    quantized = work / f"{model.stem}.safetensors"
    used = model if ModelFile.open(model).header.int8 is not None else quantized
    if quantized.is_file():
        return used, None
    folder = repeat_images(images, len(images), work / "images")
    words = ["quantize", str(model), str(folder), "--out", str(quantized), "--quiet"]
    usage = run_process([sys.executable, "-m", "freeloc", *words], "freeloc quantize")
    return used, round(usage.seconds, 1)


def _float_mb(model: Path) -> float:
    """Return the size of a model file without its int8 network, in 10^6 bytes."""
    graph = ModelFile.open(model).int8_graph()
    int8 = 0 if graph is None else len(graph.structure) + len(graph.weights)
    return (model.stat().st_size - int8) / 1e6


# --- training
# ------------------------------------------------------------------------------------------


def measure_training(
    processes: Processes, dataset: Dataset, work: Path, *, options: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure the stages of ``freeloc train``, with an empty cache and with a filled one.

    The second run takes a single epoch, because training itself does not depend on how the features came into the
    cache. Neither run writes a report.

    Args:
        processes: how freeloc is run.
        dataset: the images.
        work: an empty folder.
        options: further options of ``freeloc train``.

    Returns:
        Seconds of each stage and peak memory of both runs, and the size of the cache.
    """
    data, cache = write_tags(dataset, work / "photos.csv"), work / "cache"
    first = run_training(processes, data, work / "first", cache, options)
    print_status(f"{len(dataset):,} images, empty cache: {first}")
    cached = run_training(processes, data, work / "cached", cache, (*options, "--epochs", "1"))
    print_status(f"{len(dataset):,} images, filled cache: {cached}")
    del cached["training"]
    return {
        "precision": processes.precision,
        "first": first,
        "cached": cached,
        "features_mb": round(_folder_mb(cache / "features"), 1),
    }


def run_training(
    processes: Processes, data: Path, out: Path, cache: Path, options: Sequence[str]
) -> dict[str, float]:
    """Run ``freeloc train`` once.

    Args:
        processes: how freeloc is run.
        data: the tag list of the images.
        out: run folder.
        cache: folder of the caches.
        options: further options.

    Returns:
        Seconds of each stage, and peak memory.
    """
    words = ["train", str(data), "--no-report", "--runtime", "openvino", "--precision", processes.precision]
    return _stages(processes.run([*words, "--out", str(out), *options], cache), data, out)


def _stages(usage: ProcessUsage, data: Path, out: Path) -> dict[str, float]:
    """Return the seconds of each stage of a training run, from its lines and its manifest."""
    opened = next((at for at, line in usage.lines if line.startswith(f"{data.stem}: ")), None)
    written = next((at for at, line in usage.lines if line.startswith("wrote ")), None)
    extracted = re.search(r'"features_seconds": ([\d.]+)', (out / "manifest.json").read_text("utf-8"))
    if opened is None or written is None or extracted is None:
        raise FreelocError("freeloc train does not report its stages as this benchmark expects")
    features = float(extracted[1])
    return {
        "check": round(opened, 1),
        "features": round(features, 1),
        "training": round(written - opened - features, 1),
        "peak_mb": round(usage.peak_mb, 1),
    }


def write_tags(dataset: Dataset, path: Path) -> Path:
    """Write a tag list of the images."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "tags"])
        for sample in dataset:
            present = [dataset.classes[index] for index in np.flatnonzero(sample.labels == PRESENT)]
            writer.writerow([sample.path.resolve(), ";".join(present)])
    return path


# --- disk
# ----------------------------------------------------------------------------------------------


def measure_installation() -> dict[str, float]:
    """Return the size of freeloc and of each package that it requires, as installed here, in 10^6 bytes."""
    sizes = {"freeloc": _folder_mb(Path(freeloc.__file__).parent)}
    waiting = [*(distribution("freeloc").requires or ())]
    while waiting:
        requirement = waiting.pop()
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
        if name in sizes or "extra ==" in requirement:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:  # not required on this platform
            continue
        files = [Path(str(file.locate())) for file in package.files or ()]
        sizes[name] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        waiting += package.requires or ()
    return {name: round(size, 1) for name, size in sorted(sizes.items(), key=lambda item: -item[1])}


def _folder_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


# --- command line
# --------------------------------------------------------------------------------------------


def _open(arguments: argparse.Namespace) -> Dataset:
    """Return the images of all splits in a fixed random order."""
    parts = [
        open_dataset(
            arguments.data or default_data(), split=split, boxes=False, checks=DatasetChecks(decode=False)
        )
        for split in arguments.splits
    ]
    samples = [sample for part in parts for sample in part]
    if len(samples) <= _START_UP_IMAGES:
        raise DatasetError(f"{parts[0].name} has too few images to measure anything", parameter="data")
    order = np.random.default_rng(_SEED).permutation(len(samples))
    return Dataset(parts[0].name, parts[0].classes, tuple(samples[index] for index in order))


def _measure_prediction(
    arguments: argparse.Namespace, processes: Processes, dataset: Dataset
) -> dict[str, Any]:
    count = arguments.images or (_QUICK_IMAGES if arguments.quick else _IMAGES)
    images = [sample.path for sample in dataset.samples[:count]]
    with TemporaryDirectory() as name:
        work = arguments.work or Path(name)
        found = find_model(arguments.model)
        model, seconds = (found, None) if arguments.no_int8 else _with_int8(found, images, work)
        rounds = _QUICK_ROUNDS if arguments.quick else _ROUNDS
        measured = measure_prediction(processes, model, images, rounds=rounds)
    sizes = {"float_model_mb": round(_float_mb(found), 1), "quantize_seconds": seconds}
    return {"prediction": {**measured, **sizes}, "installation": measure_installation()}


def _measure_training(
    arguments: argparse.Namespace, processes: Processes, dataset: Dataset
) -> dict[str, Any]:
    measured = {}
    options = ("--epochs", "2", "--scales", "0.5") if arguments.quick else ()
    for count in arguments.counts or (_QUICK_COUNTS if arguments.quick else _COUNTS):
        if count > len(dataset):
            raise DatasetError(
                f"{count:,} images were requested, but {len(dataset):,} exist", parameter="counts"
            )
        part = Dataset(dataset.name, dataset.classes, dataset.samples[:count])
        with TemporaryDirectory(dir=arguments.work) as work:
            measured[str(count)] = measure_training(processes, part, Path(work), options=options)
    return {"training": measured}


def save_record(folder: Path, name: str, record: Section) -> None:
    """Add measurements of one machine to the results; its other measurements and other machines are kept."""
    known = load_results(folder)["machines"].get(name, {}).get("speed", {})
    if "training" in record:
        record = {**record, "training": {**known.get("training", {}), **record["training"]}}
    save_section(folder, "speed", {**known, **record}, machine=name)


def main(words: list[str] | None = None) -> None:
    """Measure prediction or training, and write the results and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--measure", nargs="+", choices=("predict", "train"), default=("predict", "train"))
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="dataset; default: as in the other benchmarks"
    )
    parser.add_argument("--splits", nargs="+", default=("train", "val"), help="splits (default: train val)")
    parser.add_argument("--model", default="voc20", help="model to predict with (default: voc20)")
    parser.add_argument("--no-int8", action="store_true", help="do not create and measure an int8 network")
    parser.add_argument("--int8-only", action="store_true", help="hold the processor to int8 instructions")
    parser.add_argument("--images", type=positive, help=f"images to predict (default: {_IMAGES})")
    parser.add_argument(
        "--counts", type=positive, nargs="+", metavar="N", help="images to train on (default: 100 1000)"
    )
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="folder for caches; keeps the int8 model")
    parser.add_argument("--quick", action="store_true", help="measure a few images, to check that it works")
    parser.add_argument("--page-only", action="store_true", help="only write the pages from benchmarks.json")
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: docs, with --quick: build/bench)"
    )
    arguments = parser.parse_args(words)
    if arguments.page_only:
        render_again(output_folder(arguments))
        return
    if arguments.work is not None:
        arguments.work.mkdir(parents=True, exist_ok=True)
    dataset = _open(arguments)
    limited = arguments.int8_only
    processes = Processes(
        "float32" if limited else cpu_precision("auto"), dict(_INT8_ONLY) if limited else {}
    )
    record: dict[str, Any] = {
        "quick": arguments.quick,
        "machine": describe(),
        "int8_only": limited,
        "data": dataset.name,
    }
    if "predict" in arguments.measure:
        record |= _measure_prediction(arguments, processes, dataset)
    if "train" in arguments.measure:
        record |= _measure_training(arguments, processes, dataset)
    folder = output_folder(arguments)
    name = name_in_results(load_results(folder), record["machine"], int8_only=limited)
    save_record(folder, name, record)
    print_status(f"wrote the results of {name}")


if __name__ == "__main__":
    run(main)
