"""Frozen feature extractors, by name.

Importing this package is cheap: torch is only loaded by `load_trunk`.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from freeloc.errors import FreelocError

if TYPE_CHECKING:
    from freeloc.trunks.base import Trunk

__all__ = ["DEFAULT_TRUNK", "TRUNK_ALIASES", "load_trunk", "trunk_names"]

DEFAULT_TRUNK: Final = "efficientnet_lite2"
"""The embedded trunk that is used unless another is named."""

TRUNK_ALIASES: Final = MappingProxyType(
    {"lite0": "efficientnet_lite0", "lite1": "efficientnet_lite1", "lite2": "efficientnet_lite2"}
)
"""Short names and what they stand for; a trunk always carries its full name."""

_TIMM_PREFIX: Final = "timm:"


def trunk_names() -> tuple[str, ...]:
    """Full names of the built-in trunks; ``timm:NAME`` adds those of timm."""
    return (*TRUNK_ALIASES.values(), "alexnet", "overfeat")


def load_trunk(name: str = DEFAULT_TRUNK, weights: str | Path | None = None) -> Trunk:
    """Build a frozen trunk.

    Args:
        name: one of `trunk_names`, a key of `TRUNK_ALIASES`, or ``timm:NAME``.
        weights: a local state-dict file (.safetensors or .pth) in place of the trunk's usual source; for
            ``overfeat``, which has no such source, the raw file of its release.

    Raises:
        FreelocError: the name is unknown, or the weights cannot be had or do not fit.
    """
    name = TRUNK_ALIASES.get(name, name)
    local = None if weights is None else str(weights)
    if name.startswith(_TIMM_PREFIX):
        from freeloc.trunks.timm_adapter import load_timm

        return load_timm(name, local)
    if name == "alexnet":
        from freeloc.trunks.alexnet import load_alexnet

        return load_alexnet(name, local)
    if name == "overfeat":
        from freeloc.trunks.overfeat import load_overfeat

        return load_overfeat(name, local)
    if name in trunk_names():
        from freeloc.trunks.efficientnet_lite import load_efficientnet_lite

        return load_efficientnet_lite(name, local)
    raise FreelocError(
        f"there is no trunk called {name!r}: give --trunk one of {', '.join(trunk_names())} "
        f"({', '.join(TRUNK_ALIASES)} for short), or {_TIMM_PREFIX}NAME for a network of timm"
    )
