"""Stage names common to all backbones; each backbone names its other stages itself."""

from __future__ import annotations

from typing import Final

__all__ = ["FROZEN", "PROJECTION"]

FROZEN: Final = "none"
"""No stage is trained; the whole backbone stays frozen."""

PROJECTION: Final = "projection"
"""The last stage, which processes each cell separately; also its name in every backbone's state dict."""
