"""Results that a benchmark wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["sections_of"]


def sections_of(folder: Path) -> dict[str, Any]:
    """Return all sections in a folder, which were measured on one machine."""
    (sections,) = json.loads((folder / "benchmarks.json").read_text("utf-8"))["machines"].values()
    assert isinstance(sections, dict)
    return sections
