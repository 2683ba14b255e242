"""Stage names that every backbone shares; the names of other stages are the backbone's own."""

from __future__ import annotations

from typing import Final

__all__ = ["FROZEN", "PROJECTION"]

FROZEN: Final = "none"
"""No stage is trained: the whole backbone stays frozen."""

PROJECTION: Final = "projection"
"""The last stage, which works on each cell separately; also its name in every backbone's state dict."""
