"""Words for the part of a backbone that is trained; the stages in between have the backbone's own names."""

from __future__ import annotations

from typing import Final

__all__ = ["FROZEN", "PROJECTION"]

FROZEN: Final = "none"
"""No part: the backbone stays as it is."""

PROJECTION: Final = "projection"
"""The last part, which works cell by cell; also its name in every backbone's state dict."""
