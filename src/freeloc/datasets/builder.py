"""A data set in the making: the images of its list, and everything that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, AnnotatedBox, Dataset, Labels, Sample
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import ProblemKind, ProblemList
from freeloc.errors import FreelocError, ImageError
from freeloc.geometry.size import Size
from freeloc.images.verify import check_header, verify_images
from freeloc.io.paths import is_broken_link, is_file
from freeloc.io.text import is_encodable

__all__ = ["DatasetBuilder", "DatasetEntry", "make_labels"]


@dataclass(slots=True)
class DatasetEntry:
    """One row of a data set's list, while its annotations are read.

    Attributes:
        path: the image.
        file: the file that lists it.
        line: the line there, or None.
        called: what messages call the row, such as "image 285: ", or nothing where the line says it.
        size: size of the upright image; None if the file was not read.
        labels: (K,) int8 once they are known.
        boxes: once they are known, if asked for.
        bad: whether a problem was found.
    """

    path: Path
    file: Path
    line: int | None
    called: str = ""
    size: Size | None = None
    labels: Labels = field(default_factory=lambda: np.zeros(0, np.int8))
    boxes: tuple[AnnotatedBox, ...] | None = None
    bad: bool = False

    @property
    def image(self) -> str:
        """What messages call the image; where folders are the list, the report's line names it already."""
        return "this image" if self.path == self.file else f"image {self.path}"


class DatasetBuilder:
    """Gathers rows and problems, and ends as a `Dataset` or as one report.

    Args:
        where: what the report names: the main file or folder.
        options: what the caller asked for.
    """

    def __init__(self, where: Path, options: OpenOptions) -> None:
        self.where = where
        self.options = options
        self.entries: list[DatasetEntry] = []
        self._problems = ProblemList(where)
        self._first: dict[str, DatasetEntry] = {}
        self._to_decode: list[DatasetEntry] = []
        self._lost = 0

    def add(
        self, path: Path, file: Path, line: int | None, called: str = "", *, look: bool = True
    ) -> DatasetEntry:
        """Take in one image as its list names it, and check that it is new, there and whole.

        Whether it decodes is looked at in the end, for all images together. Without ``look`` the file is
        not looked at, because the caller knows what is wrong with it.
        """
        entry = DatasetEntry(path, file, line, called)
        self.entries.append(entry)
        first = self._first.setdefault(os.path.normpath(path), entry)
        if first is not entry:
            place = "" if first.line is None else f" on line {first.line}"
            before = f" of {first.file}" if first.file != file else ""
            self.fault(entry, "duplicate_row", f"{path.name} is already listed{place}{before}")
        elif look:
            self._look_at(entry)
        return entry

    def _look_at(self, entry: DatasetEntry) -> None:
        path = entry.path
        if not is_file(path):
            what = "is a link to a file that is not there" if is_broken_link(path) else "is missing"
            self.fault(entry, "missing_image", f"{entry.image} {what}")
        elif self.options.checks.decode:
            try:
                entry.size = check_header(path)
                self._to_decode.append(entry)
            except ImageError as error:
                self.fault(entry, "unreadable_image", f"{entry.image} cannot be read: {error.reason}")

    def fault(
        self,
        entry: DatasetEntry,
        kind: ProblemKind,
        message: str,
        *,
        file: Path | None = None,
        line: int | None = None,
    ) -> None:
        """Note a problem of one image, at its own row unless another file is named."""
        entry.bad = True
        if file is None:
            file, line = entry.file, entry.line if line is None else line
        self._problems.add(kind, file, line, entry.called + message)

    def lose(self, kind: ProblemKind, file: Path, line: int | None, message: str) -> None:
        """Note a row that does not even name an image; it counts as one image left out."""
        self._lost += 1
        self._problems.add(kind, file, line, message)

    def trouble(self, kind: ProblemKind, file: Path, line: int | None, message: str) -> None:
        """Note a problem that leaving out an image does not mend."""
        self._problems.add(kind, file, line, message, lasting=True)

    def stop(self, kind: ProblemKind, file: Path, line: int | None, message: str) -> NoReturn:
        """Report everything so far and this problem, because reading cannot go on.

        Raises:
            DataProblems: always.
        """
        self.trouble(kind, file, line, message)
        self._problems.settle(skip_bad=False)
        raise AssertionError("a report with a problem always raises")

    def check_box(
        self, entry: DatasetEntry, box: AnnotatedBox, *, file: Path, line: int | None, name: str
    ) -> None:
        """Note a box that lies wholly beside its image, as after resizing the images only.

        The boxes may refer to the image as stored, before EXIF rotation, so one that fits either way is accepted.
        """
        if entry.size is None:
            return
        width, height = entry.size.width, entry.size.height
        touches = (box.x1 <= width and box.y1 <= height) or (box.x1 <= height and box.y1 <= width)
        if not touches or box.x2 < 0 or box.y2 < 0:
            corners = f"{box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g}"
            message = f"the box of {name!r} at {corners} lies outside its image of {width}×{height} pixels"
            self.fault(entry, "bad_value", message, file=file, line=line)

    @property
    def has_problems(self) -> bool:
        """Whether anything is wrong so far."""
        return bool(self._problems)

    def finish(
        self, name: str, classes: tuple[str, ...], *, leave_out: str = "leave the class out with --classes"
    ) -> Dataset:
        """Close the draft.

        Args:
            name: of the data set.
            classes: its classes.
            leave_out: how the user goes on without a class, for messages.

        Raises:
            DataProblems: something is wrong that ``skip_bad`` does not leave out.
            FreelocError: there is no class, or no image is left.
        """
        self._decode()
        for called in classes:
            if not is_encodable(called):
                message = f"the name of class {called!r} is not UTF-8 text: rename it"
                self.trouble("bad_value", self.where, None, message)
        if self.options.checks.for_training:
            self._check_for_training(classes, leave_out)
        good = [entry for entry in self.entries if not entry.bad]
        skipped = len(self.entries) - len(good) + self._lost
        self._problems.settle(skip_bad=self.options.skip_bad, skipped=skipped)
        if not good:
            reason = f"all {skipped} images are bad" if skipped else "it lists no images"
            raise FreelocError(f"{self.where} gives nothing to work on: {reason}; give another data set")
        if not classes:
            raise FreelocError(f"{self.where} gives nothing to work on: it names no class; tag its images")
        samples = tuple(Sample(entry.path, entry.labels, entry.boxes) for entry in good)
        # The name is printed, and a folder's name may hold bytes that are no text.
        printable = name.encode(errors="replace").decode()
        return Dataset(printable, classes, samples, skipped)

    def _decode(self) -> None:
        paths = [entry.path for entry in self._to_decode]
        outcomes = verify_images(paths, quiet=self.options.checks.quiet)
        for entry, outcome in zip(self._to_decode, outcomes, strict=True):
            if isinstance(outcome, ImageError):
                self.fault(entry, "unreadable_image", f"{entry.image} cannot be read: {outcome.reason}")

    def _check_for_training(self, classes: tuple[str, ...], leave_out: str) -> None:
        """Count what the list says; a class is not empty only because its images are to be mended."""
        rows = [
            entry.labels
            for entry in self.entries
            if len(entry.labels) == len(classes) and not (entry.bad and self.options.skip_bad)
        ]
        labels = np.array(rows, np.int8).reshape(len(rows), len(classes))
        shown, lacking = (labels == PRESENT).any(axis=0), (labels == ABSENT).any(axis=0)
        for name, is_shown, is_lacking in zip(classes, shown, lacking, strict=True):
            if not is_shown:
                message = f"class {name!r} has no image: add some, or {leave_out}"
                self.trouble("empty_class", self.where, None, message)
            elif not is_lacking:
                message = f"class {name!r} is on every image: add images without it, or {leave_out}"
                self.trouble("full_class", self.where, None, message)


def make_labels(count: int, present: Iterable[int], ignored: Iterable[int] = ()) -> Labels:
    """A label vector.

    Args:
        count: number of classes.
        present: indices of the classes in the image.
        ignored: indices that take no part unless they are also present.

    Returns:
        (count,) int8 with +1, 0 and −1.
    """
    labels = np.full(count, ABSENT, np.int8)
    for index in ignored:
        labels[index] = IGNORE
    for index in present:
        labels[index] = PRESENT
    return labels
