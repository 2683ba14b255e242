"""Whether ``freeloc predict`` stays flat: its pace and its memory at 100, 1,000 and 10,000 images.

    python -m benchmarks.growth --data VOCdevkit/VOC2012 --model run/model.safetensors

The program itself is run, as a user runs it, and the system tells how long it took and how much memory it held at
most. The same images are given over and over under other names, so that many are no other work than few; one
small scale is looked at, for the question is not how fast, but whether the last images cost what the first
did. Beside it stand two cases of their own, at the model's own scales: one image, which is all start-up, and
one image of 100 megapixels.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.growth_page import JPEG, PNG, START_UP
from benchmarks.machine import describe
from benchmarks.record import update_record
from benchmarks.settings import add_common, out_folder, run
from benchmarks.subject import default_data, fresh_model
from benchmarks.timing import Spread
from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import FreelocError
from freeloc.images.decode import open_image
from freeloc.io.progress import print_status
from freeloc.models.header import ModelFile
from freeloc.nn.backbones.registry import load_backbone
from freeloc.runtime import native_bfloat16

__all__ = [
    "Outcome",
    "Program",
    "cycled",
    "main",
    "measure_cases",
    "measure_growth",
    "run_measured",
    "save_fresh",
    "tiled",
]

_SEED = 0
_SCALE = 0.5
_COUNTS, _ROUNDS, _SIZE = (100, 1_000, 10_000), 2, (12_000, 8_334)
_QUICK_COUNTS, _QUICK_ROUNDS, _QUICK_SIZE = (3, 6), 1, (1_200, 834)

_FEWEST = 2
"""Images of the run that is taken off the others as start-up: a single one is predicted another way."""

_PROGRAM = (sys.executable, "-m", "freeloc")

# On Linux a process begins with the peak of the one that started it, and this one holds torch: so a small one
# stands in between.
_LAUNCHER = """
import json, os, sys, time
to_errors = [(os.POSIX_SPAWN_DUP2, 2, 1)]
started = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=to_errors)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss]))
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process took.

    Attributes:
        seconds: from its start to its end.
        peak_mb: the most memory it held at once, in 10^6 bytes.
    """

    seconds: float
    peak_mb: float


def run_measured(command: Sequence[str], name: str) -> Outcome:
    """Run a command in this environment to its end.

    Args:
        command: the whole path of a program, and its words.
        name: what an error calls it.

    Raises:
        FreelocError: it failed (the last line it wrote is told), or the system does not measure processes.
    """
    if not (hasattr(os, "wait4") and hasattr(os, "posix_spawn")):
        raise FreelocError("this system does not tell the memory of a process: measure on Linux or macOS")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    told = done.stderr.strip().splitlines() or ["it said nothing"]
    if done.returncode:
        raise FreelocError(f"{name} could not be run: {told[-1]}")
    code, seconds, peak = json.loads(done.stdout)
    if code:
        end = f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"
        raise FreelocError(f"{name} {end}: {told[-1]}")
    return Outcome(seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e6)


@dataclass(frozen=True, slots=True)
class Program:
    """``freeloc predict`` with a model.

    Attributes:
        model: its file or run folder.
        precision: the arithmetic it is asked for.
    """

    model: Path
    precision: str = "auto"

    def predict(self, images: Path, count: int, *, scale: float | None = None) -> Outcome:
        """Run it once.

        Args:
            images: a file or a folder.
            count: how many images that is.
            scale: the only scale; None takes the model's own.

        Raises:
            FreelocError: it failed, or did not predict all images.
        """
        with TemporaryDirectory() as out:
            words = [str(self.model), str(images), "--out", out, "--quiet"]
            words += ["--runtime", "openvino", "--precision", self.precision]
            words += [] if scale is None else ["--scales", f"{scale:g}"]
            outcome = run_measured([*_PROGRAM, "predict", *words], "freeloc predict")
            with (Path(out) / "predictions.jsonl").open("rb") as lines:
                predicted = sum(1 for _ in lines)
        if predicted != count:
            raise FreelocError(f"freeloc predict wrote {predicted} predictions of {count} in {images}")
        return outcome


def measure_growth(
    program: Program, album: Sequence[Path], counts: Sequence[int], *, rounds: int
) -> list[dict[str, Any]]:
    """Predict ever more images, round after round.

    Args:
        program: what is run.
        album: the images that are given over and over; at most as many as the smallest of the counts, so
            that each count has the same ones.
        counts: how many images, in rising order.
        rounds: how often.

    Returns:
        For each count the seconds of the run, the milliseconds an image without start-up, the highest peak.
    """
    everything = (_FEWEST, *counts)
    runs: dict[int, list[Outcome]] = {count: [] for count in everything}
    with TemporaryDirectory() as place:
        folders = {count: cycled(album, count, Path(place) / str(count)) for count in everything}
        # Not counted: keeps the compiled graph, and brings all images from the disk into memory.
        program.predict(folders[counts[0]], counts[0], scale=_SCALE)
        for _ in range(rounds):
            for count, folder in folders.items():
                runs[count].append(program.predict(folder, count, scale=_SCALE))
    few = runs[_FEWEST]
    return [{"count": count, **_told(runs[count]), **_pace(runs[count], few, count)} for count in counts]


def _pace(many: Sequence[Outcome], few: Sequence[Outcome], count: int) -> dict[str, Any]:
    pairs = zip(many, few, strict=True)
    ms = [1e3 * (long.seconds - short.seconds) / (count - _FEWEST) for long, short in pairs]
    return {"ms_per_image": Spread.of(ms).as_json()}


def measure_cases(
    program: Program, image: Path, size: tuple[int, int], *, rounds: int
) -> dict[str, dict[str, Any]]:
    """Predict one image, and large ones made of it, at the model's own scales.

    Args:
        program: what is run; its compiled graph is kept already.
        image: the one.
        size: width and height of the large ones.
        rounds: how often.

    Returns:
        For each case seconds and the highest peak.
    """
    with TemporaryDirectory() as place:
        cases = {START_UP: image, JPEG: Path(place) / "large.jpg", PNG: Path(place) / "large.png"}
        picture = tiled(image, size)
        picture.save(cases[JPEG], quality=90)
        picture.save(cases[PNG], compress_level=1)
        del picture
        runs: Mapping[str, list[Outcome]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, path in cases.items():
                runs[name].append(program.predict(path, 1))
    return {name: _told(outcomes) for name, outcomes in runs.items()}


def _told(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "seconds": Spread.of([outcome.seconds for outcome in outcomes]).as_json(),
        "peak_mb": round(max(outcome.peak_mb for outcome in outcomes), 1),
    }


def cycled(album: Sequence[Path], count: int, folder: Path) -> Path:
    """Make a folder of ``count`` images: links to those of the album, over and over."""
    folder.mkdir(parents=True)
    for number in range(count):
        image = album[number % len(album)].resolve()
        (folder / f"{number:06d}{image.suffix}").symlink_to(image)
    return folder


def tiled(image: Path, size: tuple[int, int]) -> Image.Image:
    """A picture of a size, all of it covered with one image."""
    tile = open_image(image)
    picture = Image.new("RGB", size)
    for top in range(0, size[1], tile.height):
        for left in range(0, size[0], tile.width):
            picture.paste(tile, (left, top))
    return picture


def save_fresh(backbone: str, classes: tuple[str, ...], path: Path) -> Path:
    """Write a model with a fresh head, such as training would leave it."""
    network = load_backbone(backbone)
    # Where the file does not tell layout and fill, the backbone is asked, and torch is loaded for it at
    # each start.
    model = fresh_model(network, classes).with_header(layout=network.layout, pad_color=network.pad_color)
    model.save(path)
    return path


def _album(dataset: Dataset, most: int) -> list[Path]:
    """The first images of a fixed random order."""
    if not len(dataset):
        raise FreelocError(f"{dataset.name} has no images: nothing to measure")
    order = np.random.default_rng(_SEED).permutation(len(dataset))[:most]
    return [dataset.samples[index].path for index in order]


def _counts(arguments: argparse.Namespace) -> list[int]:
    counts = sorted(set(arguments.counts or (_QUICK_COUNTS if arguments.quick else _COUNTS)))
    if counts[0] <= _FEWEST:
        raise FreelocError(f"--counts {counts[0]} is too few: give at least {_FEWEST + 1}")
    return counts


def _subject(program: Program, trained: bool) -> dict[str, Any]:
    header = ModelFile.open(program.model).header
    precision = program.precision
    if precision == "auto":
        precision = "bfloat16" if native_bfloat16("cpu") else "float32"
    return {
        "backbone": header.backbone,
        "classes": len(header.classes),
        "trained": trained,
        "precision": precision,
        "own_scales": list(header.scales),
    }


def main(words: list[str] | None = None) -> None:
    """Measure, print, and add to ``benchmarks.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_common(parser)
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="a trained model; a fresh head where none is given"
    )
    parser.add_argument("--counts", type=int, nargs="+", metavar="N", help="images (default: 100 1000 10000)")
    arguments = parser.parse_args(words)
    counts = _counts(arguments)
    rounds, size = (_QUICK_ROUNDS, _QUICK_SIZE) if arguments.quick else (_ROUNDS, _SIZE)
    dataset = open_dataset(arguments.data or default_data(), split=arguments.split or None, boxes=False)
    album = _album(dataset, counts[0])
    with TemporaryDirectory() as place:
        model = arguments.model or save_fresh(
            arguments.backbone, dataset.classes, Path(place) / "fresh.safetensors"
        )
        program = Program(model, arguments.precision)
        section = {
            "quick": arguments.quick,
            "machine": describe(),
            "data": dataset.name,
            "album": len(album),
            "subject": _subject(program, arguments.model is not None),
            "rounds": rounds,
            "scale": _SCALE,
            "counts": measure_growth(program, album, counts, rounds=rounds),
            "large": list(size),
            "cases": measure_cases(program, album[0], size, rounds=rounds),
        }
    update_record(out_folder(arguments), "growth", section)
    for row in section["counts"]:
        pace = f"{row['ms_per_image']['median']:.1f} ms each"
        print_status(f"{row['count']} images: {pace} without start-up, {row['peak_mb']:.0f} MB at most")
    for name, case in section["cases"].items():
        print_status(f"{name}: {case['seconds']['median']:.2f} s, {case['peak_mb']:.0f} MB at most")


if __name__ == "__main__":
    run(main)
