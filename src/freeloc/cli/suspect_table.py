"""Print the tags that may be missing or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from freeloc.training.suspects import Suspect, SuspectKind

__all__ = ["suspect_table"]

_HEADINGS: Final[dict[SuspectKind, str]] = {
    "missing": "tags that may be missing, most suspicious first, with the probability that such an image has them",
    "wrong": "tags that may be wrong, most suspicious first, with the probability that such an image has them",
}


def suspect_table(suspects: Sequence[Suspect]) -> Iterator[str]:
    """Yield the lines of a table for each kind: the probability of the tag, the class and the image."""
    for kind, heading in _HEADINGS.items():
        chosen = [suspect for suspect in suspects if suspect.kind == kind]
        yield f"{heading} ({len(chosen)})"
        width = max((len(suspect.name) for suspect in chosen), default=0)
        for suspect in chosen:
            yield f"{100 * suspect.probability:7.1f}%  {suspect.name:{width}}  {suspect.path}"
