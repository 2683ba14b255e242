"""Build datasets: collect the listed images and all problems, then check the images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np

from freeloc._log import get_logger, warn_in_lines
from freeloc.datasets.box_checks import check_boxes
from freeloc.datasets.box_frames import (
    BoxConversion,
    FramedImage,
    FrameProblem,
    find_conversions,
    find_other_sizes,
)
from freeloc.datasets.class_balance import check_class_balance
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, AnnotatedBox, Dataset, Labels
from freeloc.datasets.nearby_files import NearbyFiles
from freeloc.datasets.options import OpenOptions
from freeloc.datasets.problems import (
    Problem,
    ProblemKind,
    ProblemList,
    format_report,
    warn_of_suspicious_names,
)
from freeloc.datasets.sample_draft import BoxDraft, DeclaredSize, SampleDraft
from freeloc.datasets.tag_classes import TagClasses
from freeloc.errors import ConfigurationError, DatasetError, ImageError
from freeloc.geometry.orientation import ImageFrame
from freeloc.geometry.size import Size
from freeloc.images.image_info import read_image_frame
from freeloc.images.verify import check_header, verify_images
from freeloc.io.paths import why_not_a_file
from freeloc.io.text import is_encodable

__all__ = ["DatasetBuilder", "SampleDraft", "make_labels"]

_log = get_logger(__name__)


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
        self._boxes: list[BoxDraft] = []
        self._bad_rows = 0
        self._nearby = NearbyFiles()
        self._tags = TagClasses(path, options)

    def choose_classes(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return the classes to read: the chosen ones, or all known ones if the caller did not choose.

        The log names the chosen classes that are not known. For training, they are left out, unless a name seems
        to be misspelled; otherwise, `build` sets their labels to 0 in every image, because nobody has looked for
        them.

        With `TagRules`, these are the tags as they are written, such as aliases of the chosen classes; `build`
        replaces them by the classes of the dataset.

        Args:
            known: the classes (or, as they are written, the tags) of all splits.

        Raises:
            ConfigurationError: none of the chosen classes is known or, for training, one seems to be misspelled,
                and no problem explains it.
        """
        try:
            return self._tags.choose(known)
        except ConfigurationError as error:
            if not self.has_problems:
                raise
            self.add_fatal_problem("unknown_class", self.path, None, str(error))
        return self.options.classes or ()

    def leave_out(self, names: Iterable[str], *, images: int = 1) -> None:
        """Count tags of images that are left out because the caller chose other classes; the log lists them.

        Args:
            names: the different tags.
            images: number of images that have them; 0 if it is not known.
        """
        self._tags.leave_out(names, images)

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
        elif check and (reason := why_not_a_file(path)) is not None:
            self.add_problem(sample, "missing_image", f"{sample.image} {reason}{self._hint(path)}")
        elif check and self.options.checks.decode:
            self._to_verify.append(sample)
        return sample

    def _hint(self, path: Path) -> str:
        """Return what a message about a missing image adds if another file is probably meant."""
        found = self._nearby.find(path)
        if found is None:
            return ""
        if found.parent == path.parent:
            return f", but {found.name} exists: correct the name"
        return f", but {found} exists: correct the name, or set images to its folder"

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

    def declare_size(self, sample: SampleDraft, size: Size, file: Path, line: int | None) -> None:
        """Record the size of an image according to its annotation, which shows to which raster its boxes refer.

        `build` compares it with the image. If it is the size of the image as stored, before its EXIF orientation
        is applied, the boxes of the sample are turned upright.

        Args:
            sample: the image.
            size: the declared size.
            file: the file that declares it.
            line: line number in ``file``.
        """
        sample.declared = DeclaredSize(size, file, line)

    def check_box(
        self,
        sample: SampleDraft,
        box: AnnotatedBox,
        file: Path,
        line: int | None,
        *,
        has_sides: bool = False,
    ) -> None:
        """Have `build` check that a box does not lie entirely outside its image, and is given in pixels.

        Args:
            sample: the image.
            box: the box as read, in pixels of the raster of the declared size.
            file: the file that contains the box.
            line: line number in ``file``.
            has_sides: whether the file gives the width and height of boxes, instead of right and bottom edges.
        """
        self._boxes.append(BoxDraft(sample, box, file, line, has_sides))

    @property
    def has_problems(self) -> bool:
        """Whether any problem has been found so far."""
        return bool(self._problems)

    def build(self, name: str, classes: tuple[str, ...]) -> Dataset:
        """Check all images and build the dataset.

        Args:
            name: name of the dataset.
            classes: the classes to which labels and boxes refer, as `choose_classes` returned them.

        Raises:
            DataProblems: there are problems that ``skip_bad`` does not solve.
            DatasetError: the dataset has no classes, or no usable images.
        """
        self._verify_images()
        self._compare_sizes()
        boxes = [item for item in self._boxes if self._tags.is_wanted(classes[item.box.label])]
        for kind, sample, file, line, message in check_boxes(boxes, classes):
            if sample is None:
                self.add_fatal_problem(kind, file, line, message)
            else:
                self.add_problem(sample, kind, message, file=file, line=line)
        for class_name in classes:
            if not is_encodable(class_name):
                message = f"the class name {class_name!r} is not UTF-8 text: rename the class"
                self.add_fatal_problem("bad_value", self.path, None, message)
        classes = self._tags.apply(self.samples, classes)
        if self.options.checks.for_training:
            for problem, message in check_class_balance(classes, self.samples, self.options):
                self.add_fatal_problem(problem, self.path, None, message)
            if not self.options.checks.for_check:
                warn_of_suspicious_names(self.path, classes)
        good = [sample for sample in self.samples if not sample.bad]
        skipped = len(self.samples) - len(good) + self._bad_rows
        self._problems.report(skip_bad=self.options.skip_bad, skipped=skipped)
        if not good:
            reason = f"all {skipped} images have problems" if skipped else "it lists no images"
            raise DatasetError(
                f"{self.path} has no usable images: {reason}; choose another dataset", path=self.path
            )
        if not classes:
            raise self._tags.no_classes_error() or DatasetError(
                f"{self.path} has no classes: add tags to its images", path=self.path
            )
        self._tags.log(classes, len(good))
        # The name is printed later, but it may come from a folder whose name is not valid UTF-8.
        printable = name.encode(errors="replace").decode()
        samples = tuple(draft.sample() for draft in good)
        return Dataset(printable, classes, samples, skipped, self._tags.report)

    def _verify_images(self) -> None:
        """Decode all images and store their sizes and hashes, reading each file only once."""
        checks = self.options.checks
        outcomes = verify_images(
            [sample.path for sample in self._to_verify],
            quiet=checks.quiet,
            perceptual_hashes=checks.for_check,
        )
        for sample, outcome in zip(self._to_verify, outcomes, strict=True):
            if isinstance(outcome, ImageError):
                message = f"{sample.image} cannot be read: {outcome.reason}"
                self.add_problem(sample, "unreadable_image", message)
                # A damaged image may still have a valid header, which is enough to check its boxes.
                with suppress(ImageError):
                    sample.size = check_header(sample.path)
                    sample.frame = read_image_frame(sample.path)
            else:
                sample.size, sample.content_hash = outcome.size, outcome.content_hash
                sample.perceptual_hash = outcome.perceptual_hash
                sample.frame = ImageFrame(outcome.size, outcome.orientation)
        if self.options.boxes and not self.options.checks.decode:
            # Without its frame, it is not known what the boxes of an image mean.
            for sample in self.samples:
                if sample.declared is not None:
                    with suppress(ImageError):
                        sample.frame = read_image_frame(sample.path)

    def _compare_sizes(self) -> None:
        """Compare declared sizes with images, and convert boxes to image coordinates."""
        framed = [
            (sample, FramedImage(sample.path, sample.frame, sample.declared_size, bool(sample.boxes)))
            for sample in self.samples
            if sample.frame is not None
        ]
        images = [image for _, image in framed]
        if not self.options.boxes:
            self._log_other_sizes([sample for sample, _ in framed], find_other_sizes(images))
            return
        found = find_conversions(images, rescale_boxes=self.options.checks.rescale_boxes)
        for (sample, _), conversion in zip(framed, found, strict=True):
            if isinstance(conversion, BoxConversion):
                sample.conversion = conversion
                sample.boxes = sample.boxes and tuple(
                    box.moved_to(conversion.apply(box.corners)) for box in sample.boxes
                )
            elif sample.declared is not None:
                kind, message = conversion
                self.add_problem(sample, kind, message, file=sample.declared.file, line=sample.declared.line)

    def _log_other_sizes(
        self, samples: Iterable[SampleDraft], problems: Iterable[FrameProblem | None]
    ) -> None:
        """Log images of another size than their annotations declare: without boxes, they are no problem."""
        other = [
            Problem(problem.kind, sample.declared.file, sample.declared.line, sample.prefix + problem.message)
            for sample, problem in zip(samples, problems, strict=True)
            if problem is not None and sample.declared is not None
        ]
        if other:
            headline = (
                f"{self.path}: {len(other)} of {len(self.samples)} images do not have the size that their "
                "annotations declare; labels are not affected, but boxes would not fit"
            )
            warn_in_lines(_log, format_report(headline, other))


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
