"""Problems in a dataset, each with its file and line, and the report that lists them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeloc._class_names import quote_names
from freeloc._log import get_logger, warn_in_lines
from freeloc._printable import printable, printable_message
from freeloc.datasets.class_names import joined_names, similar_names
from freeloc.errors import DatasetError, MalformedFileError

__all__ = [
    "MAX_PRINTED_PROBLEMS",
    "DataProblems",
    "Problem",
    "ProblemKind",
    "ProblemList",
    "format_report",
    "warn_of_left_out_names",
    "warn_of_suspicious_names",
]

_log = get_logger(__name__)

MAX_PRINTED_PROBLEMS = 50
"""Maximum number of problems that a report prints; `DataProblems.problems` contains all of them."""

_MAX_LEFT_OUT = 10
"""Maximum number of left-out tags that the log names."""

ProblemKind = Literal[
    "missing_image",
    "unreadable_image",
    "missing_annotation",
    "malformed_file",
    "malformed_row",
    "bad_value",
    "resized_image",
    "wrong_size",
    "duplicate_row",
    "ambiguous_image",
    "unknown_class",
    "empty_class",
    "full_class",
]

_NAMES: dict[ProblemKind, tuple[str, str]] = {
    "missing_image": ("missing image", "missing images"),
    "unreadable_image": ("unreadable image", "unreadable images"),
    "missing_annotation": ("missing annotation", "missing annotations"),
    "malformed_file": ("malformed file", "malformed files"),
    "malformed_row": ("malformed row", "malformed rows"),
    "bad_value": ("bad value", "bad values"),
    "resized_image": ("resized image", "resized images"),
    "wrong_size": ("wrong image size", "wrong image sizes"),
    "duplicate_row": ("duplicate row", "duplicate rows"),
    "ambiguous_image": ("ambiguous image name", "ambiguous image names"),
    "unknown_class": ("unknown class name", "unknown class names"),
    "empty_class": ("class without images", "classes without images"),
    "full_class": ("class in every image", "classes in every image"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a dataset, and its location.

    Attributes:
        kind: the kind of problem, in machine-readable form.
        file: the file to fix.
        line: line number in the file, counted from 1; None if the problem does not concern a particular line.
        message: a one-sentence description for the user.
    """

    kind: ProblemKind
    file: Path
    line: int | None
    message: str

    @classmethod
    def from_error(cls, error: MalformedFileError) -> Problem:
        """Return the problem for a file that cannot be parsed."""
        return cls("malformed_file", error.file, error.line, error.reason)

    def __str__(self) -> str:
        position = f"{self.file}" if self.line is None else f"{self.file}:{self.line}"
        return printable(f"{position}: {self.message}")


class DataProblems(DatasetError):  # noqa: N818 - it represents a list of problems
    """Report of all problems in a dataset.

    The first line of the message counts the problems by kind and says how to fix them. Each further line,
    ``file:line: message``, describes one problem; at most `MAX_PRINTED_PROBLEMS` are printed. ``parameter`` is
    "rescale_boxes" if rescaling boxes solves all problems, or else "skip_bad" if leaving out images does.

    Attributes:
        problems: every problem, including those that are not printed, sorted by file and line.
        fatal: number of problems that cannot be solved by leaving out images.

    Args:
        path: file or folder of the dataset.
        problems: all problems; at least one.
        fatal: number of problems that cannot be solved by leaving out images.

    Example:
        >>> from freeloc.datasets import open_dataset
        >>> try:
        ...     data = open_dataset("holiday/tags.csv")
        ... except DataProblems as report:
        ...     for problem in report.problems:
        ...         print(problem.kind, problem.file, problem.line)
        missing_image holiday/tags.csv 3
    """

    def __init__(self, path: Path, problems: Sequence[Problem], *, fatal: int = 0) -> None:
        self.problems = _sorted(problems)
        self.fatal = fatal
        super().__init__(
            _headline(path, problems, fatal), path=path, parameter=None if fatal else _remedy(problems)
        )

    def __str__(self) -> str:
        return format_report(super().__str__(), self.problems)


class ProblemList:
    """Problems collected while a dataset is read, so that they can be reported together.

    ``skip_bad`` solves a problem with a single image by leaving out that image. It cannot solve a *fatal* problem,
    such as a COCO file that is not valid JSON.

    Args:
        path: file or folder of the dataset.

    Example:
        >>> problems = ProblemList(Path("tags.csv"))
        >>> problems.add("bad_value", Path("tags.csv"), 7, "'maybe' is not 0 or 1")
        >>> problems.report(skip_bad=False)
        Traceback (most recent call last):
            ...
        freeloc.datasets.problems.DataProblems: 1 problem in tags.csv (1 bad value): fix it, or leave its image out
        tags.csv:7: 'maybe' is not 0 or 1
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self._fatal = 0

    def __bool__(self) -> bool:
        return bool(self.problems)

    def add(
        self, kind: ProblemKind, file: Path, line: int | None, message: str, *, fatal: bool = False
    ) -> None:
        """Add one problem; ``fatal`` means that leaving out an image does not solve it."""
        self.problems.append(Problem(kind, file, line, message))
        self._fatal += fatal

    def report(self, *, skip_bad: bool, skipped: int = 0) -> None:
        """Raise an error that lists all problems, or log them if ``skip_bad`` solves them.

        Args:
            skip_bad: whether images with problems are left out.
            skipped: number of images left out, for the log.

        Raises:
            DataProblems: there are problems, and ``skip_bad`` is False or one of them is fatal.
        """
        if not self.problems:
            return
        if not skip_bad or self._fatal:
            raise DataProblems(self.path, self.problems, fatal=self._fatal)
        images = "1 image" if skipped == 1 else f"{skipped} images"
        headline = f"left out {images} of {self.path} ({_counts(self.problems)})"
        # An error, so that the images left out are named even if a command is told to be quiet.
        warn_in_lines(_log, format_report(headline, _sorted(self.problems)), level=logging.ERROR)


def warn_of_suspicious_names(path: Path, classes: Sequence[str]) -> None:
    """Log the classes that may be one class in several spellings, or several tags in one; this is no problem."""
    groups = [" and ".join(map(repr, group)) for group in similar_names(classes)]
    if groups:
        headline = f"{path} has classes that differ only in case, blanks, accents, similar letters or plural"
        warn_in_lines(_log, format_report(f"{headline}: are they one class?", groups))
    joined = [f"{name!r}: {quote_names(parts)}" for name, parts in joined_names(classes).items()]
    if joined:
        headline = f"{path} has classes whose names consist of the names of other classes"
        warn_in_lines(
            _log, format_report(f"{headline}: separate several tags by commas or semicolons", joined)
        )


def warn_of_left_out_names(path: Path, classes: Sequence[str], left_out: Mapping[str, int]) -> None:
    """Log in one line the tags that are left out because other classes were chosen.

    Args:
        path: file or folder of the dataset.
        classes: the chosen classes.
        left_out: the number of images that have each tag; 0 if it is not known.
    """
    if not left_out:
        return
    names = sorted(left_out, key=lambda name: (-left_out[name], name))
    shown = [f"{name!r} ({count})" if (count := left_out[name]) else repr(name) for name in names]
    more = f" and {len(shown) - _MAX_LEFT_OUT} more" if len(shown) > _MAX_LEFT_OUT else ""
    groups = [group for group in similar_names([*classes, *names]) if set(group) & set(classes)]
    alike = [" and ".join(map(repr, group)) for group in groups if set(group) & set(names)]
    advice = f"; do {', '.join(alike)} mean the same?" if alike else ""
    joined = joined_names([*classes, *names]).items()
    if several := [name for name, parts in joined if name in left_out and not set(parts).isdisjoint(classes)]:
        advice += f"; separate tags by commas or semicolons if {quote_names(several)} should be several"
    _log.warning(
        "%s: left out, because they are not among the classes: %s%s%s",
        *(path, ", ".join(shown[:_MAX_LEFT_OUT]), more, advice),
    )


def format_report(headline: str, problems: Sequence[object]) -> str:
    """Return a headline followed by one line per problem, for at most `MAX_PRINTED_PROBLEMS` problems.

    Every line is a `freeloc._printable.printable_message`, so a line break in a name does not look like another
    problem.
    """
    lines = [printable_message(str(line)) for line in (headline, *problems[:MAX_PRINTED_PROBLEMS])]
    if len(problems) > MAX_PRINTED_PROBLEMS:
        lines.append(f"and {len(problems) - MAX_PRINTED_PROBLEMS} more")
    return "\n".join(lines)


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0)))


def _remedy(problems: Sequence[Problem]) -> str:
    resized = all(problem.kind == "resized_image" for problem in problems)
    return "rescale_boxes" if resized else "skip_bad"


def _counts(problems: Sequence[Problem]) -> str:
    counts = Counter(problem.kind for problem in problems)
    return ", ".join(
        f"{counts[kind]} {names[counts[kind] > 1]}" for kind, names in _NAMES.items() if counts[kind]
    )


def _headline(path: Path, problems: Sequence[Problem], fatal: int) -> str:
    one = len(problems) == 1
    headline = f"{len(problems)} problem{'' if one else 's'} in {path} ({_counts(problems)}): "
    fix = "fix it" if one else "fix them"
    if not fatal:
        return headline + f"{fix}, or leave {'its image' if one else 'their images'} out"
    if fatal == len(problems):
        return headline + f"{fix}; leaving images out does not help"
    return headline + f"{fix}; leaving images out does not help with {fatal} of them"
