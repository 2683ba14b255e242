"""The error for metadata that cannot be read."""

from __future__ import annotations

__all__ = ["MetadataError"]


class MetadataError(Exception):
    """Metadata with keywords is damaged.

    Attributes:
        reason: what is wrong, and how to mend it.
        line: line number in the XML, counted from 1; None for metadata that is not XML.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
