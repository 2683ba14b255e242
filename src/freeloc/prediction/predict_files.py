"""Run a model on image files and write the results to a folder or to standard output."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from freeloc._validation import check_arguments
from freeloc.errors import ImageError
from freeloc.inference.localizer import Localizer
from freeloc.io.atomic import check_output_folder
from freeloc.io.folders import expand_user
from freeloc.io.lock import lock_folder
from freeloc.io.progress import pluralize, print_status, track
from freeloc.writers import WRITERS, Writer, WriterOptions, create_writers, output_names

__all__ = ["PredictionOptions", "predict_files"]


@dataclass(frozen=True)
class PredictionOptions(WriterOptions):
    """Options of `predict_files`: output formats and handling of unreadable images.

    Attributes:
        formats: names of writers in `freeloc.writers.WRITERS`; default: "jsonl" with an output folder, "console"
            without one.
        skip_bad: whether to skip images that cannot be read instead of stopping at the first one.

    Raises:
        ConfigurationError: an option has the wrong type, or is unknown or out of range.
    """

    formats: tuple[str, ...] = ()
    skip_bad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.formats:
            WRITERS.get(name, parameter="formats")


@check_arguments
def predict_files(
    localizer: Localizer,
    paths: Sequence[str | Path],
    out: str | Path | None,
    options: PredictionOptions | None = None,
    *,
    quiet: bool = False,
) -> int:
    """Run a model on images and write the results to a folder or to standard output.

    Each image is decoded once, and its result is written immediately, so memory use does not grow with the number
    of images. A file with the results of all images, such as ``predictions.jsonl``, appears only after the last
    image.

    Args:
        localizer: the model.
        paths: the images.
        out: the output folder; None writes to standard output.
        options: output formats and handling of unreadable images.
        quiet: whether to hide progress and the final summary.

    Returns:
        The number of images that could not be read; always 0 without ``skip_bad``.

    Raises:
        ConfigurationError: a format is unknown.
        ImageError: an image cannot be read and ``skip_bad`` is false, or no image can be read.
        OutputError: a file cannot be written, a format needs an output folder, or another process is writing to
            the output folder.
    """
    options = options or PredictionOptions()
    folder = None if out is None else expand_user(out)
    if folder is not None:
        check_output_folder(folder)
    formats = options.formats or ("console" if folder is None else "jsonl",)
    images = [Path(path) for path in paths]
    writers = create_writers(formats, folder, options)
    with nullcontext() if folder is None else lock_folder(folder):
        bad = _predict(localizer, images, writers, skip_bad=options.skip_bad, quiet=quiet or folder is None)
    for error in bad:
        print_status(f"skipped: {error}")
    if folder is not None and not quiet:
        files = writers[0].files
        skipped = f"; skipped {pluralize(len(bad), 'bad image')}" if bad else ""
        print_status(
            f"wrote {pluralize(len(paths) - len(bad), 'prediction')} "
            f"to {files[0] if len(files) == 1 else folder}{skipped}"
        )
    return len(bad)


def _predict(
    localizer: Localizer, paths: Sequence[Path], writers: Sequence[Writer], *, skip_bad: bool, quiet: bool
) -> list[ImageError]:
    """Run the model on images, pass each result to all writers, and return the errors of unreadable images."""
    names = dict(zip(paths, output_names(paths), strict=True))
    bad: list[ImageError] = []
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        with_images = any(writer.needs_image for writer in writers)
        outcomes = zip(paths, localizer.predict_stream(paths, with_images=with_images), strict=True)
        for path, outcome in track(outcomes, "predicting", len(paths), quiet=quiet):
            if isinstance(outcome, ImageError):
                if not skip_bad:
                    raise ImageError(
                        str(outcome), path=path, reason=outcome.reason, parameter="skip_bad"
                    ) from outcome
                bad.append(outcome)
                continue
            result, image = outcome
            for writer in writers:
                writer.write(result, image if writer.needs_image else None, path, names[path])
        if bad and len(bad) == len(paths):
            raise ImageError(
                f"no image can be read ({len(bad)} tried); the first error: {bad[0]}",
                path=bad[0].path,
                reason=bad[0].reason,
            )
    return bad
