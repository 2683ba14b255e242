"""Run a model on image files and write the results to a folder or to standard output."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from freeloc._validation import Count, check_arguments
from freeloc.errors import ConfigurationError, FreelocError, ImageError, OutputError
from freeloc.images.video import check_video_available
from freeloc.inference.int8_advice import HOW_TO_GET_INT8
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.atomic import check_output_folder
from freeloc.io.folders import expand_user
from freeloc.io.lock import lock_folder
from freeloc.io.progress import pluralize, print_status, track
from freeloc.prediction.image_to_predict import (
    ImageToPredict,
    check_takes_frames,
    frame_name,
    list_images,
)
from freeloc.prediction.output_folder import OutputFolder
from freeloc.prediction.sources import Sources
from freeloc.writers import WRITERS, Writer, WriterOptions, create_writers

__all__ = ["PredictionOptions", "predict_files"]

_MANY_IMAGES: Final = 100
"""Number of images for which it pays to create an int8 network first."""


@dataclass(frozen=True)
class PredictionOptions(WriterOptions):
    """Options of `predict_files`: output formats, frames of videos, and handling of unreadable images.

    Attributes:
        formats: names of writers in `freeloc.writers.WRITERS`; default: "jsonl" with an output folder, "console"
            without one.
        skip_bad: whether to skip images that cannot be read instead of stopping at the first one. Of a video whose
            end is damaged or missing, that end is skipped. Damaged frames before others are always left out.
        every: N predicts the frames 0, N, 2N, … of a video.

    Raises:
        ConfigurationError: an option has the wrong type, or is unknown or out of range.
    """

    formats: tuple[str, ...] = ()
    skip_bad: bool = False
    every: Count = 1

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
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Run a model on images and videos, and write the results to a folder or to standard output.

    Each image or frame is decoded once, and its result is written immediately, so that only the names of the files
    are kept in memory. An interrupted call is continued by another call with the same arguments, which predicts
    only the remaining images and leaves the same files as an uninterrupted one. ``predictions.manifest.jsonl``
    lists how the predictions were made and which files were written; see `freeloc.prediction.manifest`.

    Args:
        localizer: the model.
        paths: the images and videos.
        out: the output folder; None writes to standard output, and so does "-", which implies the format "jsonl".
        options: output formats and handling of unreadable images.
        resume: whether to say so if there is nothing to continue. An output with the same settings and images is
            always continued.
        overwrite: whether to remove an earlier output in the folder, with all files that it lists, and to replace
            an existing gallery outside the folder.
        quiet: whether to hide progress and the final summary.

    Returns:
        The number of images and videos that could not be read; always 0 without ``skip_bad``.

    Raises:
        ConfigurationError: a format is unknown or needs a video, or ``resume`` contradicts ``overwrite``.
        MissingDependencyError: there is a video, and PyAV, which decodes videos, is not installed.
        ImageError: an image cannot be read and ``skip_bad`` is false, or no image can be read.
        OutputError: a file cannot be written, a format needs an output folder, another process is writing to
            the output folder, the folder contains an output with other settings or of other images, or the gallery
            exists.
        KeyboardInterrupt: the user pressed Ctrl-C; the message says how many images are done.
    """
    options = options or PredictionOptions()
    if resume and overwrite:
        raise ConfigurationError(
            "resume continues an output and overwrite removes it: specify only one of them",
            parameter="overwrite",
        )
    folder = None if out is None or str(out) == "-" else expand_user(out)
    if folder is not None:
        check_output_folder(folder)
    formats = tuple(dict.fromkeys(options.formats)) or ("console" if out is None else "jsonl",)
    writers = create_writers(formats, folder, options)
    images = list_images(paths)
    _check_videos(images, writers)
    prediction = _Prediction(localizer, images, writers, options.every, skip_bad=options.skip_bad)
    if folder is None:
        if not overwrite:
            _check_no_earlier_gallery(options)
        # A page alone leaves the terminal free.
        is_page_alone = formats == ("gallery",)
        bad = prediction.run(quiet=quiet or not is_page_alone)
        if is_page_alone and not quiet:
            print_status(f"wrote {options.gallery}")
    else:
        settings = {**_settings(localizer, options, many=_are_many(images)), "formats": formats}
        with lock_folder(folder):
            output = OutputFolder.open(folder, settings, images, writers, overwrite=overwrite)
            with _stopping(output, quiet=quiet):
                if output.is_new and not overwrite:
                    _check_no_earlier_gallery(options)
                bad = _fill(output, prediction, resume=resume, quiet=quiet)
    for error in bad:
        print_status(f"skipped: {error}")
    return len(bad)


def _check_videos(images: Sequence[ImageToPredict], writers: Sequence[Writer]) -> None:
    """Check that videos can be decoded, and that there is one if a writer needs it."""
    videos = [image.path for image in images if image.is_video]
    if videos:
        check_video_available()
        check_takes_frames(writers, videos[0])
        return
    for writer in writers:
        if writer.of_videos:
            raise ConfigurationError(
                f"formats contains {writer.name!r}, but there is no video to write it for: specify a video, or "
                "omit the format",
                parameter="formats",
            )


def _are_many(images: Sequence[ImageToPredict]) -> bool:
    return len(images) > 1 or any(image.is_video for image in images)


def _settings(localizer: Localizer, options: PredictionOptions, *, many: bool) -> dict[str, Any]:
    """Return everything but the images that determines the output, as JSON values."""
    settings = localizer.prepare(many=many).to_dict()
    for name, value in {**asdict(localizer.options), **asdict(options)}.items():
        # The provenance states what was chosen for options such as "auto".
        settings.setdefault(name, value)
    # The images before the first unreadable one are the same, and so are the files beside what a terminal shows.
    return {name: value for name, value in settings.items() if name not in {"skip_bad", "pictures"}}


def _check_no_earlier_gallery(options: PredictionOptions) -> None:
    """Refuse to replace a page that was named by its path; the output folder lists its own files."""
    path = None if options.gallery is None else expand_user(options.gallery)
    if path is not None and os.path.lexists(path):
        raise OutputError(
            f"{path} already exists: choose another file for the gallery, or set overwrite to replace it",
            path=path,
            parameter="overwrite",
        )


def _fill(output: OutputFolder, prediction: _Prediction, *, resume: bool, quiet: bool) -> list[ImageError]:
    """Predict the images that an output lacks, and return the errors of all unreadable images."""
    folder = output.manifest.folder
    if output.manifest.finished:
        if not quiet:
            print_status(f"{folder} already contains these predictions: nothing is left to do")
        return output.skipped
    if not quiet and resume and output.is_new:
        print_status(f"there is nothing to resume in {folder}: starting with the first image")
    if not quiet and output.manifest.images:
        print_status(f"continuing after {output.describe_done()}")
    if not quiet and _take_long(prediction.images) and _would_gain_from_int8(prediction.localizer):
        print_status(f"an int8 network would be fastest on this processor: {HOW_TO_GET_INT8}")
    bad = prediction.run(output, quiet=quiet)
    output.finish()
    if not quiet:
        files = prediction.writers[0].files
        noun = "bad video" if all(image.is_video for image in prediction.images) else "bad image"
        skipped = f"; skipped {pluralize(len(bad), noun)}" if bad else ""
        print_status(
            f"wrote {pluralize(output.predictions, 'prediction')} "
            f"to {files[0] if len(files) == 1 else folder}{skipped}"
        )
    return bad


def _take_long(images: Sequence[ImageToPredict]) -> bool:
    """Return whether it pays to create an int8 network first; a video counts as many images."""
    return len(images) >= _MANY_IMAGES or any(image.is_video for image in images)


def _would_gain_from_int8(localizer: Localizer) -> bool:
    """Return whether "auto" would be int8 on this CPU if the model had an int8 network."""
    wanted = localizer.options.network_precision(has_int8=True)
    return wanted == "int8" and localizer.prepare(many=True).precision != "int8"


@contextmanager
def _stopping(output: OutputFolder, *, quiet: bool) -> Iterator[None]:
    """If the block is interrupted or fails, leave an output that can be continued, and say how."""
    try:
        yield
    except BaseException as error:
        output.stop()
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(output.progress) from error
        if isinstance(error, FreelocError) and output.manifest.has_predictions and not quiet:
            print_status(output.progress)
        raise


@dataclass(frozen=True)
class _Prediction:
    """The work of one call of `predict_files`.

    Attributes:
        localizer: the model.
        images: the images and videos.
        writers: the writers, not yet entered.
        every: N predicts the frames 0, N, 2N, … of a video.
        skip_bad: whether to skip images that cannot be read.
    """

    localizer: Localizer
    images: Sequence[ImageToPredict]
    writers: Sequence[Writer]
    every: int
    skip_bad: bool

    def run(self, output: OutputFolder | None = None, *, quiet: bool) -> list[ImageError]:
        """Predict the images that are not done, and return the errors of all unreadable images.

        Args:
            output: the output folder; None if results go to standard output.
            quiet: whether to hide progress.
        """
        bad, images_done, done = (
            ([], 0, 0) if output is None else (output.skipped, output.done, output.results_done)
        )
        sources = Sources(self.images, self.every, images_done=images_done, done=done)
        is_any_predicted = output is not None and output.manifest.has_predictions
        with ExitStack() as stack:
            for writer in self.writers:
                stack.enter_context(writer)
            outcomes = self.localizer.predict_stream(
                sources, with_images=any(writer.needs_image for writer in self.writers), start=done
            )
            tracked = track(outcomes, "predicting", None if quiet else sources.expected(), quiet=quiet)
            for image, outcome in sources.match(tracked):
                if isinstance(outcome, ImageError):
                    self._check_skipped(image, outcome)
                    bad.append(outcome)
                    if output is not None:
                        output.skip(outcome)
                elif outcome is None:
                    self._end_video(image, output)
                else:
                    is_any_predicted = True
                    self._write(image, *outcome, output)
            if bad and not is_any_predicted:
                raise ImageError(
                    f"no image can be read ({len(bad)} tried); the first error: {bad[0]}",
                    path=bad[0].path,
                    reason=bad[0].reason,
                )
        return bad

    def _check_skipped(self, image: ImageToPredict, error: ImageError) -> None:
        if not self.skip_bad:
            raise ImageError(
                str(error), path=image.path, reason=error.reason, parameter="skip_bad"
            ) from error

    def _write(
        self,
        image: ImageToPredict,
        result: Localization,
        pixels: Image.Image | None,
        output: OutputFolder | None,
    ) -> None:
        """Pass one result to all writers, and list the files that they have written for it alone."""
        files: list[Path] = []
        name = frame_name(image.name, result.frame)
        for writer in sorted(self.writers, key=lambda writer: writer.lists_files):
            before = len(writer.files)
            writer.image_files = tuple(files)
            writer.write(result, pixels if writer.needs_image else None, image.path, name)
            files += writer.files[before:]
        if output is not None:
            add = output.complete if result.frame is None else output.complete_frame
            add(files)

    def _end_video(self, image: ImageToPredict, output: OutputFolder | None) -> None:
        """Tell all writers that a video has no more frames."""
        files: list[Path] = []
        for writer in self.writers:
            before = len(writer.files)
            writer.end_video(image.path, image.name)
            files += writer.files[before:]
        if output is not None:
            output.complete(files)
