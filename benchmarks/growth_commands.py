"""Peak memory of ``freeloc check``, ``train``, ``evaluate`` and ``predict`` for growing numbers of images.

Part of `benchmarks.growth`. The same images are repeated under different names, so features of equal images are
extracted and cached only once, and a run on 100,000 images needs neither the space nor the time of its features.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.results import Section, number, table
from benchmarks.timing import ProcessUsage, run_process
from freeloc.images.decode import read_image_size
from freeloc.io.progress import print_status

__all__ = [
    "CLASSES",
    "COMMANDS",
    "Command",
    "measure_commands",
    "render_commands",
    "repeat_images",
    "write_instances",
]

CLASSES = ("even", "odd")
"""The classes of the data: images are tagged in turn, because memory does not depend on what they show."""

_SCALE = "0.5"

_MAX_KB_PER_IMAGE = 10
"""Target: a few kilobytes per image, for its path, size, hash, labels and predictions."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of freeloc.

    Attributes:
        name: name of the command.
        needs_model: whether its first argument is a model.
        options: its options, in which ``{out}`` stands for a temporary folder, ``{cache}`` for the feature
            cache and ``{backbone}`` for the backbone.
    """

    name: str
    needs_model: bool
    options: tuple[str, ...]

    def words(self, data: Path, model: Path, backbone: str, out: Path, cache: Path) -> list[str]:
        """Return the words of the command for a dataset."""
        options = [option.format(out=out, cache=cache, backbone=backbone) for option in self.options]
        # predict takes the folder of the images; the others the file that annotates them.
        place = data.parent if self.name == "predict" else data
        return [self.name, *([str(model)] if self.needs_model else []), str(place), *options]


COMMANDS = (
    Command("check", needs_model=False, options=()),
    Command(
        "train",
        needs_model=False,
        options=(
            *("--out", "{out}/run", "--cache", "{cache}", "--backbone", "{backbone}"),
            *("--epochs", "1", "--scales", _SCALE, "--quiet"),
        ),
    ),
    Command(
        "evaluate",
        needs_model=True,
        options=("--scales", _SCALE, "--resamples", "10", "--out", "{out}/e.json", "--quiet"),
    ),
    Command("predict", needs_model=True, options=("--scales", _SCALE, "--out", "{out}/found", "--quiet")),
)


def measure_commands(
    model: Path, backbone: str, images: Sequence[Path], counts: Sequence[int], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Run commands on growing numbers of images.

    Args:
        model: a model with the classes `CLASSES`, for the commands that need one.
        backbone: backbone to train on.
        images: images to repeat.
        counts: numbers of images, increasing.
        names: names of the commands.

    Returns:
        For each command and count, peak memory and seconds.
    """
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        cache = Path(folder) / "features"

        def run(command: Command, data: Path) -> ProcessUsage:
            with TemporaryDirectory() as out:
                words = command.words(data, model, backbone, Path(out), cache)
                return run_process([sys.executable, "-m", "freeloc", *words], f"freeloc {command.name}")

        commands = [command for command in COMMANDS if command.name in names]
        # The first runs fill the feature cache and store the model's graph; all measured runs only read them.
        once = write_instances(repeat_images(images, len(images), Path(folder) / "once"))
        for command in _warm_up(commands):
            run(command, once)
        for count in counts:
            data = write_instances(repeat_images(images, count, Path(folder) / str(count)))
            for command in commands:
                usage = run(command, data)
                measured = {"peak_mb": round(usage.peak_mb, 1), "seconds": round(usage.seconds, 1)}
                rows.append({"command": command.name, "count": count, **measured})
                print_status(f"freeloc {command.name}, {count:,} images: peak memory {usage.peak_mb:,.0f} MB")
    return rows


def _warm_up(commands: Sequence[Command]) -> list[Command]:
    """Return `train`, if it is among the commands, and one of those that use the model."""
    return [
        *(command for command in commands if command.name == "train"),
        *[command for command in commands if command.needs_model][-1:],
    ]


def repeat_images(images: Sequence[Path], count: int, folder: Path) -> Path:
    """Create a folder of ``count`` links to images, repeated cyclically."""
    folder.mkdir(parents=True)
    for index in range(count):
        image = images[index % len(images)].resolve()
        (folder / f"{index:06d}{image.suffix}").symlink_to(image)
    return folder


def write_instances(folder: Path) -> Path:
    """Write a COCO instances file for a folder of images: one box per image, its class by turns."""
    sizes: dict[Path, tuple[int, int]] = {}
    images, annotations = [], []
    for index, path in enumerate(sorted(folder.iterdir())):
        target = path.resolve()
        if target not in sizes:
            size = read_image_size(target)
            sizes[target] = size.width, size.height
        width, height = sizes[target]
        images.append({"id": index, "file_name": path.name, "width": width, "height": height})
        box = [width / 4, height / 4, width / 2, height / 2]
        annotations.append(
            {"id": index, "image_id": index, "category_id": 1 + index % 2, "bbox": box, "iscrowd": 0}
        )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    file = folder / "instances.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file


def render_commands(rows: Sequence[Section]) -> Iterator[str]:
    """Yield the Markdown blocks of the measurements."""
    counts = sorted({row["count"] for row in rows})
    yield "### Memory of each command"
    yield (
        f"Peak memory in MB on growing numbers of images, at scale {_SCALE}; `train` runs the default recipe for "
        "one epoch. The last column is the growth between the two largest numbers; the target is less than "
        f"{_MAX_KB_PER_IMAGE} kB per image."
    )
    body = []
    for name in dict.fromkeys(row["command"] for row in rows):
        peaks = {row["count"]: row["peak_mb"] for row in rows if row["command"] == name}
        growth = "–"
        if len(counts) > 1:
            growth = f"{1e3 * (peaks[counts[-1]] - peaks[counts[-2]]) / (counts[-1] - counts[-2]):.1f}"
        body.append((f"`{name}`", *(number(peaks[count]) for count in counts), growth))
    yield table(("command", *(f"{count:,}" for count in counts), "kB / image"), body)
