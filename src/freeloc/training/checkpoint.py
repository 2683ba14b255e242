"""Checkpoints: everything needed to go on to the same final weights as a run that was never stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor, nn

from freeloc.errors import FreelocError
from freeloc.io.atomic import write_bytes

__all__ = ["Checkpoint"]

_BACKBONE = "backbone."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State at the end of an epoch. Randomness needs no state: each epoch seeds its own generators.

    Attributes:
        epochs_done: finished epochs.
        weights: the head's weights.
        momentum: SGD's momentum buffer of each weight.
        setup: what must be equal for a run to go on: recipe, data, backbone, seed.
        backbone: those weights of the backbone that are trained as well.
    """

    epochs_done: int
    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]
    setup: Mapping[str, Any]
    backbone: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        epochs_done: int,
        head: nn.Module,
        optimizer: torch.optim.Optimizer,
        setup: Mapping[str, Any],
        backbone: Mapping[str, nn.Parameter] | None = None,
    ) -> Checkpoint:
        """The state of a head, of trained weights of the backbone, and of their optimizer."""
        momentum = {}
        for name, parameter in _parameters(head, backbone or {}):
            buffer = optimizer.state[parameter].get("momentum_buffer")
            if buffer is not None:
                momentum[name] = buffer
        return cls(epochs_done, dict(head.state_dict()), momentum, setup, dict(backbone or {}))

    def restore(
        self,
        head: nn.Module,
        optimizer: torch.optim.Optimizer,
        backbone: Mapping[str, nn.Parameter] | None = None,
    ) -> None:
        """Put the state back."""
        head.load_state_dict(self.weights)
        with torch.no_grad():
            for name, parameter in (backbone or {}).items():
                parameter.copy_(self.backbone[name])
        for name, parameter in _parameters(head, backbone or {}):
            if name in self.momentum:
                # In the weight's own memory format: the fused step runs through both side by side.
                buffer = torch.empty_like(parameter).copy_(self.momentum[name])
                optimizer.state[parameter]["momentum_buffer"] = buffer

    def save(self, path: Path) -> None:
        """Write it, as a whole."""
        tensors = {f"weights.{key}": value for key, value in self.weights.items()}
        tensors |= {f"momentum.{key}": value for key, value in self.momentum.items()}
        tensors |= {f"{_BACKBONE}{key}": value for key, value in self.backbone.items()}
        header = {"epochs_done": self.epochs_done, "setup": dict(self.setup)}
        data = as_bytes(
            {key: value.detach().cpu().contiguous() for key, value in tensors.items()},
            metadata={"freeloc-checkpoint": json.dumps(header, sort_keys=True)},
        )
        write_bytes(path, data)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read it.

        Raises:
            FreelocError: the file is damaged.
        """
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads(file.metadata()["freeloc-checkpoint"])
                epochs_done, setup = header["epochs_done"], header["setup"]
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise FreelocError(
                f"checkpoint {path} cannot be read ({error}): delete it and train from the start"
            ) from error

        def part(prefix: str) -> dict[str, Tensor]:
            return {
                key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
            }

        return cls(epochs_done, part("weights."), part("momentum."), setup, part(_BACKBONE))


def _parameters(head: nn.Module, backbone: Mapping[str, nn.Parameter]) -> Iterator[tuple[str, nn.Parameter]]:
    yield from head.named_parameters()
    yield from ((f"{_BACKBONE}{name}", parameter) for name, parameter in backbone.items())
