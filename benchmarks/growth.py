"""Speed and memory of ``freeloc predict`` for 100, 1,000 and 10,000 images, and for large images.

    python -m benchmarks.growth --data VOCdevkit/VOC2012 --model run/model.safetensors
    python -m benchmarks.growth --data VOCdevkit/VOC2012 --commands train --counts 1000 10000 100000

The program runs as a separate process, and the operating system reports its time and peak memory. The same
images are repeated under different names, so that the work per image does not depend on their number. They
are predicted at one small scale, because the question is whether the last images cost as much as the first,
not how fast prediction is. Two further cases run at the model's own scales: a single image, which measures
start-up, and images of 100 megapixels. Finally, the peak memory of `train` and other commands is measured
for the same numbers of images; with ``--commands``, nothing else is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.growth_commands import CLASSES, COMMANDS, measure_commands, render_commands, repeat_images
from benchmarks.machine import describe
from benchmarks.results import Section, number, save_section, scale_list, spread_text, table
from benchmarks.timing import ProcessUsage, Spread, run_process
from benchmarks.workload import (
    add_options,
    cpu_precision,
    default_data,
    output_folder,
    run,
    untrained_model,
)
from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import ConfigurationError, DatasetError, FreelocError
from freeloc.images.decode import open_image
from freeloc.io.progress import print_status
from freeloc.models.header import ModelFile
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import Precision

__all__ = [
    "JPEG",
    "PNG",
    "START_UP",
    "Program",
    "main",
    "measure_cases",
    "measure_growth",
    "render",
    "save_untrained",
    "tiled",
]

START_UP = "one image"
JPEG = "one large image, JPEG"
PNG = "one large image, PNG"

_TARGETS = {START_UP: "< 3 s", JPEG: "< 2,000 MB", PNG: "< 2,000 MB"}

_SEED = 0
_SCALE = 0.5
_COUNTS, _ROUNDS, _SIZE = (100, 1_000, 10_000), 2, (12_000, 8_334)
_QUICK_COUNTS, _QUICK_ROUNDS, _QUICK_SIZE = (3, 6), 1, (1_200, 834)

_DISTINCT_IMAGES = 200
"""Maximum number of distinct images on which the memory of the commands is measured."""

_START_UP_IMAGES = 2
"""Images of the run whose time is subtracted as start-up; a single image takes a different code path."""

_PROGRAM = (sys.executable, "-m", "freeloc")


@dataclass(frozen=True, slots=True)
class Program:
    """``freeloc predict`` with a model.

    Attributes:
        model: model file or run folder.
        precision: precision of the network.
    """

    model: Path
    precision: Precision = "auto"

    def predict(self, images: Path, count: int, *, scale: float | None = None) -> ProcessUsage:
        """Run the program once.

        Args:
            images: a file or a folder.
            count: number of images.
            scale: the only scale; None uses the model's own scales.

        Raises:
            FreelocError: the program fails, or does not predict all images.
        """
        with TemporaryDirectory() as out:
            words = [str(self.model), str(images), "--out", out, "--quiet"]
            words += ["--runtime", "openvino", "--precision", self.precision]
            words += [] if scale is None else ["--scales", f"{scale:g}"]
            usage = run_process([*_PROGRAM, "predict", *words], "freeloc predict")
            with (Path(out) / "predictions.jsonl").open("rb") as lines:
                predicted = sum(1 for _ in lines)
        if predicted != count:
            raise FreelocError(f"freeloc predict wrote {predicted} of {count} predictions for {images}")
        return usage


def measure_growth(
    program: Program, images: Sequence[Path], counts: Sequence[int], *, rounds: int
) -> list[dict[str, Any]]:
    """Predict increasing numbers of images, round after round.

    Args:
        program: the program.
        images: images to repeat; at most as many as the smallest count, so that every count includes all of
            them.
        counts: numbers of images, increasing.
        rounds: number of rounds.

    Returns:
        For each count, seconds of the run, milliseconds per image without start-up, and peak memory.
    """
    all_counts = (_START_UP_IMAGES, *counts)
    runs: dict[int, list[ProcessUsage]] = {count: [] for count in all_counts}
    with TemporaryDirectory() as name:
        folders = {count: repeat_images(images, count, Path(name) / str(count)) for count in all_counts}
        # A warm-up stores the compiled graph in the cache and reads all images into memory.
        program.predict(folders[counts[0]], counts[0], scale=_SCALE)
        for _ in range(rounds):
            for count, folder in folders.items():
                runs[count].append(program.predict(folder, count, scale=_SCALE))
    short = runs[_START_UP_IMAGES]
    return [
        {"count": count, **_usage(runs[count]), "ms_per_image": _ms_per_image(runs[count], short, count)}
        for count in counts
    ]


def _ms_per_image(
    long: Sequence[ProcessUsage], short: Sequence[ProcessUsage], count: int
) -> dict[str, float]:
    pairs = zip(long, short, strict=True)
    return Spread.of([1e3 * (a.seconds - b.seconds) / (count - _START_UP_IMAGES) for a, b in pairs]).to_dict()


def measure_cases(
    program: Program, image: Path, size: tuple[int, int], *, rounds: int
) -> dict[str, dict[str, Any]]:
    """Predict one image, and large images tiled with it, at the model's own scales.

    Args:
        program: the program; its compiled graph must be cached.
        image: the image.
        size: width and height of the large images.
        rounds: number of rounds.

    Returns:
        For each case, seconds and peak memory.
    """
    with TemporaryDirectory() as name:
        cases = {START_UP: image, JPEG: Path(name) / "large.jpg", PNG: Path(name) / "large.png"}
        large = tiled(image, size)
        large.save(cases[JPEG], quality=90)
        large.save(cases[PNG], compress_level=1)
        del large
        runs: dict[str, list[ProcessUsage]] = {case: [] for case in cases}
        for _ in range(rounds):
            for case, path in cases.items():
                runs[case].append(program.predict(path, 1))
    return {case: _usage(of_case) for case, of_case in runs.items()}


def _usage(runs: Sequence[ProcessUsage]) -> dict[str, Any]:
    return {
        "seconds": Spread.of([usage.seconds for usage in runs]).to_dict(),
        "peak_mb": round(max(usage.peak_mb for usage in runs), 1),
    }


def tiled(image: Path, size: tuple[int, int]) -> Image.Image:
    """Return an image of (width, height) pixels, tiled with a smaller image."""
    tile = open_image(image)
    large = Image.new("RGB", size)
    for top in range(0, size[1], tile.height):
        for left in range(0, size[0], tile.width):
            large.paste(tile, (left, top))
    return large


def save_untrained(backbone: str, classes: tuple[str, ...], path: Path) -> Path:
    """Write a model with an untrained head, with the same header fields as a trained one."""
    network = load_backbone(backbone)
    # Without layout and pad color in the header, every start would load torch to read them from the backbone.
    model = untrained_model(network, classes).with_header(layout=network.layout, pad_color=network.pad_color)
    model.save(path)
    return path


# --- page
# ----------------------------------------------------------------------------------------------------


def render(section: Section) -> Iterator[str]:
    """Yield the Markdown blocks of the section."""
    model = section["model"]
    head = "trained" if model["trained"] else "untrained"
    yield "## Many images and large images"
    yield (
        f"`freeloc predict` ran as a separate process in {section['rounds']} rounds: backbone "
        f"`{model['backbone']}`, {model['classes']} classes ({head}), {model['precision']}, images of "
        f"{section['data']}. Seconds are measured from the start to the end of the process. Peak memory is the "
        "highest value that the operating system reports in any round, in millions of bytes. A warm-up before "
        "the first round stored the compiled graph in the cache."
    )
    yield from _render_predictions(section)
    if section.get("commands"):
        yield from render_commands(section["commands"])


def _render_predictions(section: Section) -> Iterator[str]:
    model = section["model"]
    rows = section["counts"]
    first, last = rows[0], rows[-1]
    yield "### Many images"
    yield (
        f"The same {section['distinct_images']} images are repeated under different names and predicted at "
        f"scale {section['scale']:g} only. This shows whether speed and memory stay constant, not how fast "
        f"freeloc is. The time per image excludes the start-up time, which is measured by running on "
        f"{_START_UP_IMAGES} images in the same round."
    )
    yield table(
        ("images", "images / s", "ms / image", "total seconds", "peak MB"),
        [
            (
                f"{row['count']:,}",
                _images_per_second(row["ms_per_image"]["median"]),
                spread_text(row["ms_per_image"]),
                spread_text(row["seconds"]),
                number(row["peak_mb"]),
            )
            for row in rows
        ],
    )
    if last is not first:
        yield (
            f"From {first['count']:,} to {last['count']:,} images, peak memory changes by "
            f"{last['peak_mb'] - first['peak_mb']:+.0f} MB; the target is constant memory."
        )
    width, height = section["large"]
    yield "### Single images"
    yield (
        f"Images are predicted at the model's own scales ({scale_list(model['scales'])}). The large images have "
        f"{width:,} × {height:,} pixels, {width * height / 1e6:.0f} megapixels."
    )
    yield table(
        ("", "target", "seconds", "peak MB"),
        [
            (name, _TARGETS[name], spread_text(case["seconds"]), number(case["peak_mb"]))
            for name, case in section["cases"].items()
        ],
    )


def _images_per_second(ms: float) -> str:
    # With few images, the variation of start-up exceeds their time.
    return number(1e3 / ms) if ms > 0 else "unknown"


# --- command line
# --------------------------------------------------------------------------------------------


def _sample(dataset: Dataset, most: int) -> list[Path]:
    """Return at most ``most`` images in a fixed random order."""
    if not len(dataset):
        raise DatasetError(f"{dataset.name} has no images: there is nothing to measure")
    order = np.random.default_rng(_SEED).permutation(len(dataset))[:most]
    return [dataset.samples[index].path for index in order]


def _counts(arguments: argparse.Namespace) -> list[int]:
    counts = sorted(set(arguments.counts or (_QUICK_COUNTS if arguments.quick else _COUNTS)))
    if counts[0] <= _START_UP_IMAGES:
        raise ConfigurationError(
            f"counts must be at least {_START_UP_IMAGES + 1}, got {counts[0]}", parameter="counts"
        )
    return counts


def _described(program: Program, trained: bool) -> dict[str, Any]:
    header = ModelFile.open(program.model).header
    return {
        "backbone": header.backbone,
        "classes": len(header.classes),
        "trained": trained,
        "precision": cpu_precision(program.precision),
        "scales": list(header.scales),
    }


def _measure_commands(
    arguments: argparse.Namespace, images: Sequence[Path], counts: Sequence[int], names: Sequence[str]
) -> list[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        model = save_untrained(arguments.backbone, CLASSES, Path(folder) / "untrained.safetensors")
        images = images[:_DISTINCT_IMAGES]
        return measure_commands(model, arguments.backbone, images, counts, names)


def main(words: list[str] | None = None) -> None:
    """Measure speed and memory, print them, and write the results and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="trained model; default: an untrained head"
    )
    parser.add_argument(
        "--counts", type=int, nargs="+", metavar="N", help="numbers of images (default: 100 1000 10000)"
    )
    names = [command.name for command in COMMANDS]
    parser.add_argument(
        "--commands",
        nargs="+",
        choices=names,
        metavar="NAME",
        help=f"measure and print only the memory of these commands ({', '.join(names)})",
    )
    arguments = parser.parse_args(words)
    counts = _counts(arguments)
    rounds, size = (_QUICK_ROUNDS, _QUICK_SIZE) if arguments.quick else (_ROUNDS, _SIZE)
    dataset = open_dataset(arguments.data or default_data(), split=arguments.split or None, boxes=False)
    images = _sample(dataset, counts[0])
    if arguments.commands:
        _measure_commands(arguments, images, counts, arguments.commands)
        return
    with TemporaryDirectory() as name:
        model = arguments.model or save_untrained(
            arguments.backbone, dataset.classes, Path(name) / "untrained.safetensors"
        )
        program = Program(model, arguments.precision)
        section = {
            "quick": arguments.quick,
            "machine": describe(),
            "data": dataset.name,
            "distinct_images": len(images),
            "model": _described(program, arguments.model is not None),
            "rounds": rounds,
            "scale": _SCALE,
            "counts": measure_growth(program, images, counts, rounds=rounds),
            "large": list(size),
            "cases": measure_cases(program, images[0], size, rounds=rounds),
            "commands": _measure_commands(
                arguments, images, counts[:1] if arguments.quick else counts, names
            ),
        }
    save_section(output_folder(arguments), "growth", section)
    for row in section["counts"]:
        ms = row["ms_per_image"]["median"]
        print_status(f"{row['count']} images: {ms:.1f} ms per image, peak memory {row['peak_mb']:.0f} MB")
    for case, row in section["cases"].items():
        print_status(f"{case}: {row['seconds']['median']:.2f} s, peak memory {row['peak_mb']:.0f} MB")


if __name__ == "__main__":
    run(main)
