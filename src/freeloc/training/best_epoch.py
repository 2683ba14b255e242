"""The best epoch of a run with validation images, whose weights become those of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from freeloc.training.validation import ValidationResult

__all__ = ["BestEpoch"]

_BACKBONE: Final = "backbone."
"""Prefix of the names of backbone weights."""


@dataclass(frozen=True, eq=False)
class BestEpoch:
    """The epoch with the highest validation mAP so far; among equal ones, the last.

    With few validation images, many epochs have the same mAP, from the first ones on. Later ones locate better.
    The validation loss would select the earliest: it rises as the head becomes more confident, even if the ranking
    of the images does not change.

    Attributes:
        epoch: number of the epoch, from 1.
        result: its validation result.
        weights: copies of the weights after the epoch: the state dict of the head, and the trained weights of the
            backbone with the prefix "backbone.".
    """

    epoch: int
    result: ValidationResult
    weights: dict[str, Tensor]

    @classmethod
    def of(
        cls, epoch: int, result: ValidationResult, head: nn.Module, backbone: Mapping[str, nn.Parameter]
    ) -> BestEpoch:
        """Copy the current weights."""
        weights = dict(head.state_dict())
        weights |= {f"{_BACKBONE}{name}": value for name, value in backbone.items()}
        return cls(epoch, result, {name: value.detach().cpu().clone() for name, value in weights.items()})

    def is_replaced_by(self, result: ValidationResult) -> bool:
        """Return whether a later epoch with this result is to be preferred."""
        return result.mean_ap >= self.result.mean_ap

    def restore(self, head: nn.Module, backbone: Mapping[str, nn.Parameter]) -> None:
        """Copy the weights into a head and the trained backbone weights."""
        head.load_state_dict(
            {name: value for name, value in self.weights.items() if not name.startswith(_BACKBONE)}
        )
        with torch.no_grad():
            for name, parameter in backbone.items():
                parameter.copy_(self.weights[f"{_BACKBONE}{name}"])
