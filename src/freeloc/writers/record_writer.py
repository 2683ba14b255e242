"""Base classes of writers that need nothing but the records of the images.

Such a writer works in the same way on a prediction (`freeloc.prediction.predict_files`) and, later, on its
``predictions.jsonl`` (`freeloc.prediction.convert`).
"""

from __future__ import annotations

import dataclasses
import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from PIL import Image

from freeloc.inference.boxes import BoxOptions
from freeloc.inference.result import Localization
from freeloc.io.appended_file import AppendedFile
from freeloc.io.atomic import output_error
from freeloc.writers.appending import AppendingWriter
from freeloc.writers.base import Writer, WriterOptions
from freeloc.writers.image_record import ImageRecord, parse_record
from freeloc.writers.record import localization_record

__all__ = ["CollectedRecords", "CollectingWriter", "RecordWriter"]

_UNFINISHED: Final = "{}.unfinished.jsonl"
"""Name of the file in which a `CollectingWriter` keeps the records."""


class RecordWriter(Writer):
    """Base of writers that need nothing but records.

    Subclasses define `write_record`. A writer of one file per image writes it there. Most formats list image
    files; a writer that can also name the frames of a video sets `takes_frames`.
    """

    takes_frames: ClassVar[bool] = False

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        if self.needs_boxes and options.boxes == 0:
            options = dataclasses.replace(options, boxes=BoxOptions().max_boxes)
        super().__init__(folder, options)

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:  # noqa: ARG002
        """Write the result of one image; see `write_record`."""
        values = localization_record(
            result, self.options, image_name=str(path), files=self.image_file_names()
        )
        self.write_record(parse_record(values), name)

    @abstractmethod
    def write_record(self, record: ImageRecord, name: str) -> None:
        """Write the record of one image.

        Args:
            record: the record.
            name: base name for the image's output files, as in `Writer.write`.

        Raises:
            OutputError: a file cannot be written, or the format cannot hold what was predicted.
        """
        raise NotImplementedError


class CollectedRecords:
    """The records of all images, which can be read several times without holding them in memory.

    Args:
        path: the file in which they are kept.
        count: their number.
        names: the names of all classes, in the order of the model.
    """

    def __init__(self, path: Path, count: int, names: tuple[str, ...]) -> None:
        self._path = path
        self._count = count
        self.names = names

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[ImageRecord, str]]:
        """Yield the record and the base name of each image, in the order in which they were predicted."""
        with self._path.open("rb") as lines:
            for line in lines:
                name, values = json.loads(line)
                yield parse_record(values), name


class CollectingWriter(RecordWriter, AppendingWriter):
    """Base of writers of files about all images, which are written when all images are predicted.

    Until then, the records are kept in an unfinished file, from which an interrupted prediction is continued.
    Memory use does not grow with the number of images, as long as `write_all` does not keep the records.
    """

    def __init__(self, folder: Path | None, options: WriterOptions) -> None:
        super().__init__(folder, options)
        self._names: tuple[str, ...] = ()
        self._count = 0

    def __enter__(self) -> Self:
        """Open the unfinished file, and look at what an earlier process has written to it.

        Raises:
            OutputError: the file cannot be written, or is damaged.
        """
        path = self._path
        self.temporary_path_of(path.name)
        self._file = AppendedFile(path, self._keep)
        if self._keep:
            try:
                for record, _ in CollectedRecords(path, 0, ()):
                    self._count += 1
                    self._names = record.names
                    self.check_record(record)
            except (OSError, ValueError, TypeError) as error:
                raise output_error(path, str(error)) from error
        return self

    def write_record(self, record: ImageRecord, name: str) -> None:
        """Keep the record of one image.

        Raises:
            OutputError: the format cannot hold the record, or the record cannot be kept.
            ValueError: the writer is not open.
        """
        if self._file is None:
            raise ValueError(f"a {type(self).__name__} can only write inside its with block")
        self.check_record(record)
        # With escapes, because paths may contain lone surrogates.
        self._file.append(json.dumps([name, dataclasses.asdict(record)]).encode("ascii") + b"\n")
        self._names = record.names
        self._count += 1

    def check_record(self, record: ImageRecord) -> None:
        """Check, as soon as an image is predicted, that the format can hold its record.

        Raises:
            OutputError: it cannot.
        """

    @abstractmethod
    def write_all(self, records: CollectedRecords) -> None:
        """Write the files, each atomically, and add them to `files`; called once if there is any record.

        Raises:
            OutputError: a file cannot be written.
        """
        raise NotImplementedError

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the files, unless the block ended with an error.

        Raises:
            OutputError: a file cannot be written.
        """
        self.close()
        try:
            if exception is None and self._count > 0:
                self.write_all(CollectedRecords(self._path, self._count, self._names))
        finally:
            if self.on_new_file is None:  # nobody continues the output, and nobody else deletes the file
                self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        if self.folder is None:
            raise ValueError(f"the writer {self.name!r} has no output folder")
        return self.folder / _UNFINISHED.format(self.name)
