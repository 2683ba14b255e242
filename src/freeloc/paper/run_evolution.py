"""Draw how the score maps of one class evolve during a training run (paper, Figure 1): ``freeloc evolution``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from freeloc._class_names import quote_names
from freeloc._validation import check_arguments
from freeloc.errors import ConfigurationError, TrainingError
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.score_map import ScoreMap
from freeloc.io import atomic
from freeloc.io.folders import expand_user
from freeloc.io.progress import track
from freeloc.models.header import ModelFile
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.paper.figures.map_evolution import EvolutionRow, draw_class_evolution
from freeloc.paper.map_evolution import EVOLUTION_SCALE, MAX_FRAMES, frames_of, select_by_change
from freeloc.paper.requirements import check_packages
from freeloc.training.run_folder import RunFolder
from freeloc.training.snapshots import snapshot_files
from freeloc.visualization.plots import FigureFormat, figure_bytes

__all__ = ["MAX_IMAGES", "draw_evolution", "figure_path"]

MAX_IMAGES: Final = 12
"""Maximum number of images in the figure."""


def figure_path(run: Path, out: Path | None) -> tuple[Path, FigureFormat]:
    """Return the path of the figure and its format, and check that it can be written.

    Args:
        run: the run folder.
        out: the path, or None for ``evolution.png`` in the run folder.

    Raises:
        ConfigurationError: the suffix is neither ``.png`` nor ``.svg``.
        OutputError: the file cannot be written.
    """
    path = expand_user(run) / "evolution.png" if out is None else expand_user(out)
    for name in get_args(FigureFormat):
        if path.suffix.lower() == f".{name}":
            atomic.check_writable(path)
            format_: FigureFormat = name
            return path, format_
    raise ConfigurationError(
        f"out is {str(path)!r}: it must be the path of a PNG or SVG file, such as evolution.png",
        parameter="out",
    )


@check_arguments
def draw_evolution(
    run: Path,
    images: Sequence[str | Path],
    class_name: str,
    out: Path | None = None,
    *,
    snapshots: tuple[int, ...] = (),
    weights: str | Path | None = None,
    quiet: bool = False,
) -> Path:
    """Draw the score maps of one class in some images, at several iterations of a training run.

    Args:
        run: run folder of a training run with snapshots; the run need not be finished.
        images: at most `MAX_IMAGES` images, such as training images of the class.
        class_name: the class.
        out: the figure, a PNG or SVG file, which is replaced; None for ``evolution.png`` in the run folder.
        snapshots: training steps of the snapshots to draw; empty for at most five, between which the maps change
            by about the same amount.
        weights: weight file of the backbone; None for its published weights.
        quiet: whether to hide progress.

    Returns:
        The path of the figure.

    Raises:
        ConfigurationError: there are too many images or none, the model does not have the class, or the path is
            not that of a PNG or SVG file.
        TrainingError: the run has no snapshots, or not those of ``snapshots``.
        MissingDependencyError: matplotlib is not installed.
        ImageError: an image cannot be read.
        ModelError: a snapshot is damaged.
        BackboneError: the backbone cannot be loaded, or has other weights than those that were trained.
        OutputError: the figure cannot be written.
    """
    check_packages(())
    path, format_ = figure_path(run, out)
    _check_images(images)
    options = LocalizerOptions(scales=(EVOLUTION_SCALE,), runtime="torch")
    files = _snapshot_files(expand_user(run), snapshots)
    classes = ModelFile.open(next(iter(files.values()))).header.classes
    if class_name not in classes:
        raise ConfigurationError(
            f"class_name is {class_name!r}: the model has no such class, but {quote_names(classes)}",
            parameter="class_name",
        )
    label = classes.index(class_name)
    pixels = [load_image(image) for image in images]
    maps = _read_maps(files, images, options, weights, quiet=quiet)
    steps = list(files)
    shown = [[scale_map.values[label] for scale_map in row] for row in maps]
    chosen = list(range(len(steps))) if snapshots else select_by_change(shown, MAX_FRAMES)
    rows = [
        EvolutionRow(
            image,
            class_name,
            frames_of([steps[index] for index in chosen], [maps[index][position] for index in chosen], label),
        )
        for position, image in enumerate(pixels)
    ]
    atomic.write_bytes(path, figure_bytes(draw_class_evolution(rows, class_name), format_))
    return path


def _check_images(images: Sequence[str | Path]) -> None:
    if not 1 <= len(images) <= MAX_IMAGES:
        raise ConfigurationError(
            f"images has {len(images):,} images: choose 1 to {MAX_IMAGES} for the figure", parameter="images"
        )


def _snapshot_files(run: Path, steps: Sequence[int]) -> dict[int, Path]:
    """Return the files of the snapshots of a run by their steps, in order; only those of ``steps`` if it has any.

    Raises:
        TrainingError: there are no snapshots, or not all of these.
    """
    found = snapshot_files(RunFolder(run).snapshots)
    if not found:
        raise TrainingError(
            f"{run} has no snapshots: train with snapshots of some steps, such as 0, 210, 510 and 4200"
        )
    missing = [step for step in steps if step not in found]
    if missing:
        raise TrainingError(
            f"{run} has no snapshot of step {missing[0]}: choose among {', '.join(map(str, found))}",
            parameter="snapshots",
        )
    return {step: found[step] for step in sorted(set(steps) or found)}


def _read_maps(
    files: dict[int, Path],
    images: Sequence[str | Path],
    options: LocalizerOptions,
    weights: str | Path | None,
    *,
    quiet: bool,
) -> list[list[ScoreMap]]:
    """Return the score map of each image, for each snapshot.

    Each snapshot is used once, so compiling it for OpenVINO would take longer than running it with torch.
    """
    header = ModelFile.open(next(iter(files.values()))).header
    backbone = load_backbone(header.backbone, weights)
    maps = []
    for file in track(files.values(), "reading snapshots", len(files), quiet=quiet):
        localizer = Localizer.from_model(Model.load(file), backbone, options)
        maps.append([scale_maps[0] for scale_maps in localizer.score_maps_many(images)])
    return maps
