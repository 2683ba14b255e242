"""Write the predictions of ``predictions.jsonl`` in other formats, without the model."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from freeloc._validation import check_arguments
from freeloc.errors import ConfigurationError, OutputError
from freeloc.io.atomic import check_output_folder
from freeloc.io.content_hash import hash_file
from freeloc.io.folders import expand_user
from freeloc.io.lock import lock_folder
from freeloc.io.progress import pluralize, print_status, track
from freeloc.io.regular_file import open_regular
from freeloc.prediction.image_to_predict import (
    ImageToPredict,
    base_names,
    check_takes_frames,
    frame_name,
)
from freeloc.prediction.output_folder import OutputFolder
from freeloc.prediction.read_records import check_records, read_records
from freeloc.writers import WRITERS, WriterOptions, create_writers
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.record_writer import RecordWriter

__all__ = ["convert", "record_formats"]


@check_arguments
def convert(
    predictions: str | Path,
    out: str | Path,
    formats: Sequence[str],
    options: WriterOptions | None = None,
    *,
    images: str | Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Write predictions in other formats, without the model or, for most formats, the images.

    Everything is written as ``predict_files`` would have written it with the same formats. What a format needs
    must be in the records: they contain peaks, boxes and masks only if these were requested.

    Args:
        predictions: the file ``predictions.jsonl``, or the folder that contains it.
        out: the output folder; another one than that of the predictions.
        formats: names of writers in `freeloc.writers.WRITERS` that need nothing but records.
        options: what to write. ``peaks`` and ``boxes`` limit what the records contain; 0 takes all of it.
            ``threshold`` replaces the thresholds of the records.
        images: folder in which relative paths of images start; default: the current folder, as in the prediction.
        overwrite: whether to remove an earlier output in the folder, with all files that it lists.
        quiet: whether to hide progress and the final summary.

    Returns:
        The number of records.

    Raises:
        ConfigurationError: a format is unknown, needs the model, or cannot name the frames of a video.
        DataProblems: lines of the file are not records.
        DatasetError: the file cannot be read, or contains no record.
        OutputError: a file cannot be written, a format needs what the records do not contain, or the folder
            contains an output with other settings.
    """
    options = options or WriterOptions()
    source, folder = expand_user(predictions), expand_user(out)
    source = source / "predictions.jsonl" if source.is_dir() else source
    check_output_folder(folder)
    formats = tuple(dict.fromkeys(formats))
    writers = _record_writers(formats, folder, options)
    found = check_records(source)
    files = [Path(path) if images is None else expand_user(images) / path for path, _ in found]
    frames = [frame for _, frame in found]
    names = base_names(files, [frame is not None for frame in frames])
    named = zip(files, names, frames, strict=True)
    targets = [ImageToPredict(path, frame_name(name, frame)) for path, name, frame in named]
    for path, frame in zip(files, frames, strict=True):
        if frame is not None:
            check_takes_frames(writers, path)
    with open_regular(source) as file:
        settings = {"predictions": hash_file(file), "formats": formats, **asdict(options)}
    with lock_folder(folder), ExitStack() as stack:
        output = OutputFolder.open(folder, settings, targets, writers, overwrite=overwrite)
        if output.manifest.finished:
            if not quiet:
                print_status(f"{folder} already contains these predictions: nothing is left to do")
            return len(found)
        stack.callback(output.stop)
        with ExitStack() as entered:
            for writer in writers:
                entered.enter_context(writer)
            records = zip(targets, read_records(source), strict=True)
            tracked = track(records, "converting", len(targets), quiet=quiet)
            for target, record in itertools.islice(tracked, output.done, None):
                moved = dataclasses.replace(record, image=str(target.path))
                output.complete(_write(writers, _with_options(moved, source, writers, options), target.name))
        output.finish()
        stack.pop_all()
    if not quiet:
        print_status(f"wrote {pluralize(len(found), 'prediction')} to {folder}")
    return len(found)


def _with_options(
    record: ImageRecord, source: Path, writers: Sequence[RecordWriter], options: WriterOptions
) -> ImageRecord:
    """Return a record with the threshold, and with at most the numbers of peaks and boxes, of the options."""
    wanted = {
        "peaks": options.peaks > 0,
        "boxes": options.boxes > 0 or any(writer.needs_boxes for writer in writers),
        "mask": options.masks,
    }
    if options.threshold is not None:
        record = record.at(options.threshold)
    for field, is_wanted in wanted.items():
        # Only present classes have masks.
        classes = record.present if field == "mask" else record.classes
        if is_wanted and any(getattr(each, field) is None for each in classes):
            what = "masks" if field == "mask" else field
            raise OutputError(
                f"{source} contains no {what} of {record.image}: predict with {what}, and convert again",
                path=source,
            )
    classes = tuple(
        dataclasses.replace(
            each,
            peaks=each.peaks if each.peaks is None else each.peaks[: options.peaks or None],
            boxes=each.boxes if each.boxes is None else each.boxes[: options.boxes or None],
        )
        for each in record.classes
    )
    return dataclasses.replace(record, classes=classes)


def _write(writers: Sequence[RecordWriter], record: ImageRecord, name: str) -> list[Path]:
    """Pass a record to all writers, and return the files that they have written for it alone."""
    files: list[Path] = []
    for writer in writers:
        before = len(writer.files)
        writer.write_record(record, name)
        files += writer.files[before:]
    return files


def _record_writers(formats: Sequence[str], folder: Path, options: WriterOptions) -> list[RecordWriter]:
    if not formats:
        raise ConfigurationError("no format is specified: choose at least one", parameter="formats")
    for name in formats:
        if not issubclass(WRITERS.get(name, parameter="formats"), RecordWriter):
            raise ConfigurationError(
                f"the format {name!r} needs the model: predict with it, or choose one of "
                f"{', '.join(record_formats())}",
                parameter="formats",
            )
    return [writer for writer in create_writers(formats, folder, options) if isinstance(writer, RecordWriter)]


def record_formats() -> tuple[str, ...]:
    """Return the names of all writers that need nothing but records."""
    return tuple(name for name in WRITERS.names() if issubclass(WRITERS.get(name), RecordWriter))
