"""Predicting whole folders: images in, one line each out, with pictures and maps on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeloc._choices import MapSize
from freeloc.datasets.problems import format_report
from freeloc.errors import FreelocError, ImageError
from freeloc.images.decode import load_image
from freeloc.images.verify import check_header
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.prefetch import prefetch
from freeloc.io.progress import pluralize, print_status, track
from freeloc.visualization import draw_overlay, save_picture
from freeloc.writers import JsonLinesWriter, StandardOutput, localization_record, output_names, write_maps

__all__ = ["OVERLAYS", "PredictionOptions", "predict_files"]

OVERLAYS = "overlays"
"""The folder of pictures in that of the results."""


@dataclass(frozen=True, slots=True)
class PredictionOptions:
    """What is written.

    Attributes:
        threshold: probability from which a class counts as present; None: the model's own, for each class.
        peaks: at most so many points per class, the best first; 0 leaves them out.
        boxes: at most so many boxes per class, the surest first; 0 leaves them out.
        overlay: a picture per image, with map and yellow cross per present class.
        maps: resolution of the written score maps; None writes none.
        skip_bad: go on after an image that cannot be read.
    """

    threshold: float | None = None
    peaks: int = 0
    boxes: int = 0
    overlay: bool = False
    maps: MapSize | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise FreelocError(f"--threshold {self.threshold:g} is not a probability: give one from 0 to 1")


def predict_files(
    localizer: Localizer,
    paths: Sequence[Path],
    out: str | Path | None,
    options: PredictionOptions | None = None,
    *,
    quiet: bool = False,
) -> int:
    """Predict images and write what was found to a folder, or to standard output.

    ``predictions.jsonl`` holds a line per image; it appears when all is done, never half. Overlays go to
    ``overlays/``, maps to ``maps/``, named after the images. Memory stays flat however many there are.
    Before any of it every file is looked at in brief, so that those that cannot be read are named at once.

    Args:
        localizer: the model.
        paths: the images.
        out: the folder; None prints the records, see `freeloc.writers.StandardOutput`.
        options: what to write.
        quiet: show no progress.

    Returns:
        How many images could not be read; more than 0 only with ``skip_bad``.

    Raises:
        FreelocError: an image cannot be read, or none of them; the folder cannot be written to; or pictures or
            maps are asked for without one.
    """
    options = options or PredictionOptions()
    folder = None if out is None else Path(out)
    if folder is None and (options.overlay or options.maps is not None):
        raise FreelocError("--overlay and --maps write files: give the folder for them, --out FOLDER")
    names = dict(zip(paths, output_names(paths), strict=True))
    paths, bad = _looked_at(paths, skip_bad=options.skip_bad)
    with StandardOutput() if folder is None else JsonLinesWriter(folder / "predictions.jsonl") as lines:
        results = _results(localizer, paths, bad, skip_bad=options.skip_bad)
        for path, result in track(results, "predicting", len(paths), quiet=quiet or folder is None):
            if result is None:
                continue
            record = localization_record(
                result,
                threshold=options.threshold,
                peaks=options.peaks,
                boxes=options.boxes,
                image_name=str(path),
            )
            lines.write(record)
            if folder is not None:
                _write_extras(result, path, folder, names[path], options)
        if bad and not lines.count:
            raise FreelocError(f"none of the {len(bad)} images can be read; the first: {bad[0]}")
    for message in bad:
        print_status(f"left out: {message}")
    if folder is not None and not quiet:
        left_out = f"; {pluralize(len(bad), 'bad image')} left out" if bad else ""
        print_status(
            f"wrote {pluralize(lines.count, 'prediction')} to {folder / 'predictions.jsonl'}{left_out}"
        )
    return len(bad)


def _looked_at(paths: Sequence[Path], *, skip_bad: bool) -> tuple[list[Path], list[str]]:
    """The images whose header and end are sound, and what is wrong with the others."""

    def fault(path: Path) -> str | None:
        try:
            check_header(path)
        except ImageError as error:
            return f"{path} cannot be read: {error.reason}"
        return None

    good, bad = [], []
    for path, problem in zip(paths, prefetch(fault, paths), strict=True):
        if problem is None:
            good.append(path)
        else:
            bad.append(problem)
    if bad and not skip_bad:
        if len(bad) == 1:
            raise FreelocError(f"{bad[0]}: replace it, or go on without it: --skip-bad")
        headline = f"{len(bad)} of {len(paths)} images cannot be read: "
        raise FreelocError(format_report(f"{headline}replace them, or go on without them: --skip-bad", bad))
    return good, bad


def _results(
    localizer: Localizer, paths: Sequence[Path], bad: list[str], *, skip_bad: bool
) -> Iterator[tuple[Path, Localization | None]]:
    for path, outcome in zip(paths, localizer.try_many(paths), strict=True):
        if isinstance(outcome, FreelocError):
            if not skip_bad:
                raise FreelocError(f"{outcome} (or go on without it: --skip-bad)") from outcome
            bad.append(str(outcome))
            yield path, None
        else:
            yield path, outcome


def _write_extras(
    result: Localization, path: Path, folder: Path, name: str, options: PredictionOptions
) -> None:
    if options.overlay:
        picture = draw_overlay(load_image(path), result, threshold=options.threshold)
        save_picture(picture, folder / OVERLAYS / f"{name}.jpg")
    if options.maps is not None:
        target = folder / "maps" / f"{name}.npz"
        write_maps(target, result, size=options.maps, threshold=options.threshold)
