"""Frozen feature extractors, by name.

Importing this package is cheap: torch is only loaded by `load_backbone`.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from freeloc.errors import FreelocError

if TYPE_CHECKING:
    from freeloc.nn.backbones.base import Backbone

__all__ = ["BACKBONE_ALIASES", "DEFAULT_BACKBONE", "backbone_names", "load_backbone"]

DEFAULT_BACKBONE: Final = "efficientnet_lite2"
"""The embedded backbone that is used unless another is named."""

BACKBONE_ALIASES: Final = MappingProxyType(
    {"lite0": "efficientnet_lite0", "lite1": "efficientnet_lite1", "lite2": "efficientnet_lite2"}
)
"""Short names and what they stand for; a backbone always carries its full name."""

_TIMM_PREFIX: Final = "timm:"


def backbone_names() -> tuple[str, ...]:
    """Full names of the built-in backbones; ``timm:NAME`` adds those of timm."""
    return (*BACKBONE_ALIASES.values(), "alexnet", "overfeat")


def load_backbone(name: str = DEFAULT_BACKBONE, weights: str | Path | None = None) -> Backbone:
    """Build a frozen backbone.

    Args:
        name: one of `backbone_names`, a key of `BACKBONE_ALIASES`, or ``timm:NAME``.
        weights: a local state-dict file (.safetensors or .pth) in place of the backbone's usual source; for
            ``overfeat``, which has no such source, the raw file of its release.

    Raises:
        FreelocError: the name is unknown, or the weights cannot be had or do not fit.
    """
    name = BACKBONE_ALIASES.get(name, name)
    local = None if weights is None else str(weights)
    if name.startswith(_TIMM_PREFIX):
        from freeloc.nn.backbones.timm_adapter import load_timm

        return load_timm(name, local)
    if name == "alexnet":
        from freeloc.nn.backbones.alexnet import load_alexnet

        return load_alexnet(name, local)
    if name == "overfeat":
        from freeloc.nn.backbones.overfeat import load_overfeat

        return load_overfeat(name, local)
    if name in backbone_names():
        from freeloc.nn.backbones.efficientnet_lite import load_efficientnet_lite

        return load_efficientnet_lite(name, local)
    raise FreelocError(
        f"there is no backbone called {name!r}: give --backbone one of {', '.join(backbone_names())} "
        f"({', '.join(BACKBONE_ALIASES)} for short), or {_TIMM_PREFIX}NAME for a network of timm"
    )
