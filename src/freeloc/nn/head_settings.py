"""Shape of a head, readable without torch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HeadSettings"]


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Shape of a head.

    Attributes:
        width: number of values per cell after the backbone's projection.
        classes: number of classes, K.
        hidden: width of FCa (paper: 2048); 0 leaves FCa out and makes the head one linear layer, as in class
            activation mapping.
        feature_dropout: dropout probability of the features before FCa.
        hidden_dropout: dropout probability between FCa and FCb.
    """

    width: int
    classes: int
    hidden: int = 2048
    feature_dropout: float = 0.0
    hidden_dropout: float = 0.5
