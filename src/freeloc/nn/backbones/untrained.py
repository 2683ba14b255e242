"""Backbones with random weights: as fast as with published ones, which may not be at hand."""

from __future__ import annotations

from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.catalog import find_facts
from freeloc.nn.backbones.registry import BACKBONE_ALIASES, load_backbone

__all__ = ["create_untrained_backbone"]


def create_untrained_backbone(name: str) -> Backbone:
    """Create a backbone with random weights, or load it if its weights are on this computer anyway.

    Args:
        name: see `freeloc.nn.backbones.registry.load_backbone`.

    Raises:
        BackboneError: the name is unknown, or the backbone of another package needs weights that are not here.
        MissingDependencyError: an optional package is not installed.
    """
    name = BACKBONE_ALIASES.get(name, name)
    facts = find_facts(name)
    if name.startswith("timm:"):
        from freeloc.nn.backbones.timm_adapter import create_untrained

        return create_untrained(name)
    if facts is None or facts.weights == "included":
        return load_backbone(name, download=False)
    backbone = _paper_backbone(name)
    backbone.freeze()
    return backbone


def _paper_backbone(name: str) -> Backbone:
    from freeloc.nn.backbones.alexnet import AlexNet
    from freeloc.nn.backbones.overfeat import OverFeat

    return AlexNet() if name == "alexnet" else OverFeat()
