"""Build datasets: collect the listed images and all problems, then check the images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, AnnotatedBox, Dataset, Labels, Sample
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import ProblemKind, ProblemList
from freeloc.errors import DatasetError, ImageError
from freeloc.geometry.size import Size
from freeloc.images.verify import check_header, verify_images
from freeloc.io.paths import is_broken_link, is_file
from freeloc.io.text import is_encodable

__all__ = ["DatasetBuilder", "SampleDraft", "make_labels"]


@dataclass(slots=True)
class SampleDraft:
    """A sample under construction: one row of a dataset's list, with annotations that may still be incomplete.

    Attributes:
        path: the image file.
        file: the file that lists the image.
        line: line number in ``file``; None if the row has none.
        prefix: start of every message about the row, such as "image 285: "; empty if the line number identifies
            the row.
        size: size of the upright image; None until the image has been decoded.
        content_hash: hash of the image file's bytes; None until the image has been decoded.
        labels: (K,) int8; empty until the labels are known.
        boxes: the annotated boxes; None until they are known, or if boxes are not read.
        bad: whether the row has a problem.
    """

    path: Path
    file: Path
    line: int | None
    prefix: str = ""
    size: Size | None = None
    content_hash: str | None = None
    labels: Labels = field(default_factory=lambda: np.zeros(0, np.int8))
    boxes: tuple[AnnotatedBox, ...] | None = None
    bad: bool = False

    @property
    def image(self) -> str:
        """The image's name in messages: "this image" if the report already names the image file."""
        return "this image" if self.path == self.file else f"image {self.path}"


class _BoxToCheck(NamedTuple):
    """A box and its position in an annotation file."""

    sample: SampleDraft
    box: AnnotatedBox
    file: Path
    line: int | None


class DatasetBuilder:
    """Builds a `Dataset`: collects its images and their problems, and reports all problems together.

    Args:
        path: the main file or folder of the dataset, for the report.
        options: options for opening the dataset.

    Example:
        >>> builder = DatasetBuilder(Path("list.txt"), OpenOptions())
        >>> sample = builder.add_image(Path("street.jpg"), Path("list.txt"), 1)
        >>> sample.labels = make_labels(2, present=[0])
        >>> data = builder.build("list", ("dog", "cat"))
        >>> data.labels
        array([[ 1, -1]], dtype=int8)
    """

    def __init__(self, path: Path, options: OpenOptions) -> None:
        self.path = path
        self.options = options
        self.samples: list[SampleDraft] = []
        self._problems = ProblemList(path)
        self._first: dict[str, SampleDraft] = {}
        self._to_verify: list[SampleDraft] = []
        self._boxes: list[_BoxToCheck] = []
        self._bad_rows = 0

    def add_image(
        self, path: Path, file: Path, line: int | None, prefix: str = "", *, check: bool = True
    ) -> SampleDraft:
        """Add one listed image, and record a problem if the image does not exist or is already listed.

        The image is decoded later, when `build` decodes all images together.

        Args:
            path: the image file.
            file: the file that lists the image.
            line: line number in ``file``.
            prefix: start of every message about this row.
            check: whether to check the image; False if it is already known to have a problem.
        """
        sample = SampleDraft(path, file, line, prefix)
        self.samples.append(sample)
        first = self._first.setdefault(os.path.normpath(path), sample)
        if first is not sample:
            line_of_first = "" if first.line is None else f" on line {first.line}"
            file_of_first = f" of {first.file}" if first.file != file else ""
            message = f"{path.name} is already listed{line_of_first}{file_of_first}"
            self.add_problem(sample, "duplicate_row", message)
        elif check and not is_file(path):
            reason = "is a link to a file that does not exist" if is_broken_link(path) else "is missing"
            self.add_problem(sample, "missing_image", f"{sample.image} {reason}")
        elif check and self.options.checks.decode:
            self._to_verify.append(sample)
        return sample

    def add_problem(
        self,
        sample: SampleDraft,
        kind: ProblemKind,
        message: str,
        *,
        file: Path | None = None,
        line: int | None = None,
    ) -> None:
        """Record a problem with one image.

        Args:
            sample: the image.
            kind: the kind of problem.
            message: a one-sentence description.
            file: the file to fix; None for the file that lists the image.
            line: line number in that file. If both ``file`` and ``line`` are None, the image's row is used.
        """
        sample.bad = True
        if file is None:
            file, line = sample.file, sample.line if line is None else line
        self._problems.add(kind, file, line, sample.prefix + message)

    def add_bad_row(self, kind: ProblemKind, file: Path, line: int | None, message: str) -> None:
        """Record a problem with a row that does not name an image; the row counts as one skipped image."""
        self._bad_rows += 1
        self._problems.add(kind, file, line, message)

    def add_fatal_problem(self, kind: ProblemKind, file: Path, line: int | None, message: str) -> None:
        """Record a problem that cannot be solved by leaving out images."""
        self._problems.add(kind, file, line, message, fatal=True)

    def fail(self, kind: ProblemKind, file: Path, line: int | None, message: str) -> NoReturn:
        """Record a problem that prevents further reading, and raise the report of all problems so far.

        Raises:
            DataProblems: always.
        """
        self.add_fatal_problem(kind, file, line, message)
        self._problems.report(skip_bad=False)
        raise AssertionError("a report with a problem always raises")

    def check_box(self, sample: SampleDraft, box: AnnotatedBox, file: Path, line: int | None) -> None:
        """Have `build` check that a box does not lie entirely outside its image.

        Args:
            sample: the image.
            box: the box.
            file: the file that contains the box.
            line: line number in ``file``.
        """
        self._boxes.append(_BoxToCheck(sample, box, file, line))

    @property
    def has_problems(self) -> bool:
        """Whether any problem has been found so far."""
        return bool(self._problems)

    def build(
        self, name: str, classes: tuple[str, ...], *, how_to_drop: str = "choose classes without it"
    ) -> Dataset:
        """Check all images and build the dataset.

        Args:
            name: name of the dataset.
            classes: the classes of the dataset.
            how_to_drop: advice on how to leave out a class, for messages.

        Raises:
            DataProblems: there are problems that ``skip_bad`` does not solve.
            DatasetError: the dataset has no classes, or no usable images.
        """
        self._verify_images()
        self._check_boxes(classes)
        for class_name in classes:
            if not is_encodable(class_name):
                message = f"the class name {class_name!r} is not UTF-8 text: rename the class"
                self.add_fatal_problem("bad_value", self.path, None, message)
        if self.options.checks.for_training:
            self._check_class_balance(classes, how_to_drop)
        good = [sample for sample in self.samples if not sample.bad]
        skipped = len(self.samples) - len(good) + self._bad_rows
        self._problems.report(skip_bad=self.options.skip_bad, skipped=skipped)
        if not good:
            reason = f"all {skipped} images have problems" if skipped else "it lists no images"
            raise DatasetError(
                f"{self.path} has no usable images: {reason}; choose another dataset", path=self.path
            )
        if not classes:
            raise DatasetError(f"{self.path} has no classes: add tags to its images", path=self.path)
        samples = tuple(
            Sample(sample.path, sample.labels, sample.boxes, sample.size, sample.content_hash)
            for sample in good
        )
        # The name is printed later, but it may come from a folder whose name is not valid UTF-8.
        printable = name.encode(errors="replace").decode()
        return Dataset(printable, classes, samples, skipped)

    def _verify_images(self) -> None:
        """Decode all images and store their sizes and hashes, reading each file only once."""
        outcomes = verify_images([sample.path for sample in self._to_verify], quiet=self.options.checks.quiet)
        for sample, outcome in zip(self._to_verify, outcomes, strict=True):
            if isinstance(outcome, ImageError):
                message = f"{sample.image} cannot be read: {outcome.reason}"
                self.add_problem(sample, "unreadable_image", message)
                # A damaged image may still have a valid header, which is enough to check its boxes.
                with suppress(ImageError):
                    sample.size = check_header(sample.path)
            else:
                sample.size, sample.content_hash = outcome.size, outcome.content_hash

    def _check_boxes(self, classes: tuple[str, ...]) -> None:
        """Report every box that lies entirely outside its image, for example because only the image was resized.

        Boxes may refer to the image as stored, before EXIF rotation, so a box is valid if it fits the image in
        either orientation.
        """
        for sample, box, file, line in self._boxes:
            if sample.size is None:
                continue
            width, height = sample.size.width, sample.size.height
            inside = (box.x1 <= width and box.y1 <= height) or (box.x1 <= height and box.y1 <= width)
            if not inside or box.x2 < 0 or box.y2 < 0:
                message = (
                    f"the box of {classes[box.label]!r} at {box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g} "
                    f"is outside its image of {width}×{height} pixels"
                )
                self.add_problem(sample, "bad_value", message, file=file, line=line)

    def _check_class_balance(self, classes: tuple[str, ...], how_to_drop: str) -> None:
        """Report each class that is present in no image or in every image.

        Images with problems count unless they are left out: a class is not empty if its images only need fixing.
        """
        rows = [
            sample.labels
            for sample in self.samples
            if len(sample.labels) == len(classes) and not (sample.bad and self.options.skip_bad)
        ]
        labels = np.array(rows, np.int8).reshape(len(rows), len(classes))
        present, absent = (labels == PRESENT).any(axis=0), (labels == ABSENT).any(axis=0)
        for name, is_present, is_absent in zip(classes, present, absent, strict=True):
            if not is_present:
                message = f"class {name!r} has no images: add some, or {how_to_drop}"
                self.add_fatal_problem("empty_class", self.path, None, message)
            elif not is_absent:
                message = f"class {name!r} is in every image: add images without it, or {how_to_drop}"
                self.add_fatal_problem("full_class", self.path, None, message)


def make_labels(count: int, present: Iterable[int], ignored: Iterable[int] = ()) -> Labels:
    """Return the label vector of one image.

    Args:
        count: number of classes.
        present: indices of the classes that are present in the image.
        ignored: indices of the classes to ignore; a class that is also in ``present`` counts as present.

    Returns:
        (count,) int8 vector of +1 (present), 0 (ignored) and −1 (absent).
    """
    labels = np.full(count, ABSENT, np.int8)
    for index in ignored:
        labels[index] = IGNORE
    for index in present:
        labels[index] = PRESENT
    return labels
