"""Shape of a head, usable without torch."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc.errors import ConfigurationError

__all__ = ["MAX_WIDTH", "HeadSettings"]

MAX_WIDTH = 1_000_000
"""Maximum width of a layer, and maximum number of classes."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Shape of a head.

    Attributes:
        width: number of values per cell after the backbone's projection.
        classes: number of classes, K.
        hidden: width of FCa; 0 leaves out FCa, so that the head is a single linear layer, as in
            class activation mapping.
        feature_dropout: dropout probability of the features before FCa.
        hidden_dropout: dropout probability between FCa and FCb.

    Raises:
        ConfigurationError: a value is out of range.
    """

    width: int
    classes: int
    hidden: int = 2048
    feature_dropout: float = 0.0
    hidden_dropout: float = 0.5

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("classes", 1), ("hidden", 0)):
            value = getattr(self, name)
            if not least <= value <= MAX_WIDTH:
                raise ConfigurationError(
                    f"{name} of the head is {value}: it must be between {least} and {MAX_WIDTH:,}",
                    parameter=name,
                )
        for name in ("feature_dropout", "hidden_dropout"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ConfigurationError(
                    f"{name} of the head is {value}: it must be a probability below 1", parameter=name
                )
