"""Words for the part of a trunk that is trained; the stages in between have the trunk's own names."""

from __future__ import annotations

from typing import Final

__all__ = ["FROZEN", "PROJECTION"]

FROZEN: Final = "none"
"""No part: the trunk stays as it is."""

PROJECTION: Final = "projection"
"""The last part, which works cell by cell; also its name in every trunk's state dict."""
