"""Findings: what will hurt a model although the dataset can be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from freeloc._printable import printable_message

__all__ = ["Finding", "FindingKind", "list_some"]

FindingKind = Literal[
    "missing_class",
    "similar_names",
    "misspelled_names",
    "joined_names",
    "rare_class",
    "common_class",
    "no_other_images",
    "inseparable_classes",
    "small_image",
    "contradicting_duplicates",
    "divided_duplicates",
]

_MAX_LISTED: Final = 8
"""Maximum number of names or details that a message lists."""


@dataclass(frozen=True)
class Finding:
    """Something about a dataset that will hurt a model.

    Attributes:
        kind: the kind of finding, in machine-readable form.
        message: what was found, and what to do about it, in one sentence.
        details: one line per class or image concerned, if the message does not name them all.
        parameter: name of the parameter that helps; None if there is none.
    """

    kind: FindingKind
    message: str
    details: tuple[str, ...] = ()
    parameter: str | None = None

    def __str__(self) -> str:
        lines = [self.message, *(f"  {line}" for line in self.details[:_MAX_LISTED])]
        if len(self.details) > _MAX_LISTED:
            lines.append(f"  and {len(self.details) - _MAX_LISTED} more")
        return "\n".join(printable_message(line) for line in lines)


def list_some(names: Iterable[str]) -> str:
    """Return names joined by commas, shortened if there are many."""
    listed: Sequence[str] = list(names)
    more = f" and {len(listed) - _MAX_LISTED} more" if len(listed) > _MAX_LISTED else ""
    return ", ".join(listed[:_MAX_LISTED]) + more
