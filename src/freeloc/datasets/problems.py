"""What is wrong in a data set: every problem with its file and line, all of them in one report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeloc.errors import DatasetError, MalformedFileError

__all__ = [
    "PRINTED_PROBLEMS",
    "DataProblems",
    "Problem",
    "ProblemKind",
    "ProblemList",
    "listed",
]

_log = logging.getLogger(__name__)

PRINTED_PROBLEMS = 50
"""How many problems a report prints; the rest are counted, and all are in `DataProblems.problems`."""

ProblemKind = Literal[
    "missing_image",
    "unreadable_image",
    "missing_annotation",
    "malformed_file",
    "malformed_row",
    "bad_value",
    "duplicate_row",
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
    "duplicate_row": ("duplicate row", "duplicate rows"),
    "unknown_class": ("unknown class name", "unknown class names"),
    "empty_class": ("class without an image", "classes without an image"),
    "full_class": ("class on every image", "classes on every image"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where.

    Attributes:
        kind: what sort of problem it is, for programs.
        file: the file to mend.
        line: its line, counted from 1; None where no line can be named.
        message: one sentence for people.
    """

    kind: ProblemKind
    file: Path
    line: int | None
    message: str

    @classmethod
    def of(cls, error: MalformedFileError) -> Problem:
        """Return the problem that an unparsable file is."""
        return cls("malformed_file", error.file, error.line, error.reason)

    def __str__(self) -> str:
        place = f"{self.file}" if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class DataProblems(DatasetError):  # noqa: N818 - it is a list of problems, and callers read it as one
    """A data set has problems; the message is the whole report.

    Its first line says how many problems of which kind there are and what to do; then follows one line
    ``file:line: message`` for each, `PRINTED_PROBLEMS` at most.

    Attributes:
        problems: every problem, also those beyond the printed ones, sorted by file and line.

    Example:
        ::

            try:
                data = open_dataset("tags.csv")
            except DataProblems as report:
                for problem in report.problems:
                    print(problem.kind, problem.file, problem.line)
    """

    def __init__(self, where: Path, problems: Sequence[Problem], *, lasting: int = 0) -> None:
        """Make the report.

        Args:
            where: the data set.
            problems: all that is wrong; at least one.
            lasting: how many of them ``skip_bad`` cannot leave out.
        """
        self.problems = _sorted(problems)
        super().__init__(listed(_headline(where, problems, lasting), self.problems))


class ProblemList:
    """Collects problems while a data set is read, so that they can be reported together.

    A problem of one image can be left out with its image (``skip_bad``); a *lasting* one, such as
    a main file that is no JSON, cannot.

    Example:
        ::

            found = ProblemList(Path("tags.csv"))
            found.add("bad_value", Path("tags.csv"), 7, "'maybe' is not 0 or 1")
            found.settle(skip_bad=False)  # raises DataProblems
    """

    def __init__(self, where: Path) -> None:
        self.where = where
        self.problems: list[Problem] = []
        self._lasting = 0

    def __bool__(self) -> bool:
        return bool(self.problems)

    def add(
        self, kind: ProblemKind, file: Path, line: int | None, message: str, *, lasting: bool = False
    ) -> None:
        """Note one problem; ``lasting`` says that leaving an image out does not mend it."""
        self.problems.append(Problem(kind, file, line, message))
        self._lasting += lasting

    def settle(self, *, skip_bad: bool, skipped: int = 0) -> None:
        """Report what was found, if anything.

        With ``skip_bad`` and without lasting problems the report goes to the log as a warning, and says that
        ``skipped`` images are left out.

        Raises:
            DataProblems: there are problems, and ``skip_bad`` is off or some of them are lasting.
        """
        if not self.problems:
            return
        if not skip_bad or self._lasting:
            raise DataProblems(self.where, self.problems, lasting=self._lasting)
        left_out = "1 image is" if skipped == 1 else f"{skipped} images are"
        headline = f"{left_out} left out of {self.where} ({_counts(self.problems)})"
        _log.warning("%s", listed(headline, _sorted(self.problems)))


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0)))


def _counts(problems: Sequence[Problem]) -> str:
    counts = Counter(problem.kind for problem in problems)
    return ", ".join(
        f"{counts[kind]} {names[counts[kind] > 1]}" for kind, names in _NAMES.items() if counts[kind]
    )


def _headline(where: Path, problems: Sequence[Problem], lasting: int) -> str:
    one = len(problems) == 1
    headline = f"{len(problems)} problem{'' if one else 's'} in {where} ({_counts(problems)}): "
    if not lasting:
        images = "its image" if one else "their images"
        return headline + f"mend {'it' if one else 'them'}, or leave {images} out with --skip-bad"
    if lasting == len(problems):
        return headline + f"mend {'it' if one else 'them'}; --skip-bad does not help here"
    return headline + f"mend them; --skip-bad does not help with {lasting} of them"


def listed(headline: str, problems: Sequence[object]) -> str:
    """A headline and a line for each problem, `PRINTED_PROBLEMS` at most."""
    lines = [headline, *map(str, problems[:PRINTED_PROBLEMS])]
    if len(problems) > PRINTED_PROBLEMS:
        lines.append(f"and {len(problems) - PRINTED_PROBLEMS} more")
    return "\n".join(lines)
