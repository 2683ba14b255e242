"""Checkpoints, which let an interrupted run resume and reach the same final weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor, nn

from freeloc.errors import TrainingError
from freeloc.io.atomic import write_bytes
from freeloc.io.limits import check_resources
from freeloc.io.permissions import FORBIDDEN, is_forbidden
from freeloc.io.regular_file import check_regular
from freeloc.io.typed_json import convert_json, decode_json
from freeloc.models.tensor_digest import tensor_digest
from freeloc.training.best_epoch import BestEpoch
from freeloc.training.run_setup import RunSetup
from freeloc.training.validation import ValidationResult

__all__ = ["Checkpoint"]

_METADATA = "freeloc-checkpoint"
_WEIGHTS, _MOMENTUM, _BACKBONE, _BEST = "weights.", "momentum.", "backbone.", "best."
"""Prefixes of tensor names in the file."""

_NOT_A_CHECKPOINT = "it is not a safetensors file, or a part of it is missing"


class _Best(msgspec.Struct):
    epoch: int
    mean_ap: float
    loss: float


class _Header(msgspec.Struct):
    epochs_done: int
    setup: RunSetup
    checksum: str
    best: _Best | None = None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of training at the end of an epoch.

    The state of random number generators is not stored, because each epoch creates and seeds new ones.

    Attributes:
        epochs_done: number of finished epochs.
        setup: setup of the run; only a run with the same setup can resume from the checkpoint.
        weights: state dict of the head.
        momentum: momentum buffers of SGD, by weight name.
        backbone: trained weights of the backbone, by name in its state dict.
        best: the best epoch so far; None without validation images.
    """

    epochs_done: int
    setup: RunSetup
    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]
    backbone: dict[str, Tensor] = field(default_factory=dict)
    best: BestEpoch | None = None

    @classmethod
    def of(
        cls,
        epochs_done: int,
        setup: RunSetup,
        head: nn.Module,
        optimizer: torch.optim.Optimizer,
        backbone: Mapping[str, nn.Parameter] | None = None,
        best: BestEpoch | None = None,
    ) -> Checkpoint:
        """Create a checkpoint of a head, the trained backbone weights and their optimizer, and the best epoch."""
        momentum = {}
        for name, parameter in _named_parameters(head, backbone or {}):
            buffer = optimizer.state[parameter].get("momentum_buffer")
            if buffer is not None:
                momentum[name] = buffer
        return cls(epochs_done, setup, dict(head.state_dict()), momentum, dict(backbone or {}), best)

    def restore(
        self,
        head: nn.Module,
        optimizer: torch.optim.Optimizer,
        backbone: Mapping[str, nn.Parameter] | None = None,
    ) -> None:
        """Copy the state into a head, the trained backbone weights and their optimizer."""
        head.load_state_dict(self.weights)
        with torch.no_grad():
            for name, parameter in (backbone or {}).items():
                parameter.copy_(self.backbone[name])
        for name, parameter in _named_parameters(head, backbone or {}):
            if name in self.momentum:
                # The fused optimizer requires each buffer to have the same memory format as its weight.
                buffer = torch.empty_like(parameter).copy_(self.momentum[name])
                optimizer.state[parameter]["momentum_buffer"] = buffer

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        tensors = {f"{_WEIGHTS}{key}": value for key, value in self.weights.items()}
        tensors |= {f"{_MOMENTUM}{key}": value for key, value in self.momentum.items()}
        tensors |= {f"{_BACKBONE}{key}": value for key, value in self.backbone.items()}
        if self.best is not None:
            tensors |= {f"{_BEST}{key}": value for key, value in self.best.weights.items()}
        tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        best = None if self.best is None else _Best(self.best.epoch, **asdict(self.best.result))
        header = {
            "epochs_done": self.epochs_done,
            "setup": self.setup.to_dict(),
            "checksum": _checksum(self.epochs_done, self.setup, tensors, best),
            **({} if best is None else {"best": msgspec.to_builtins(best)}),
        }
        data = as_bytes(tensors, metadata={_METADATA: json.dumps(header, sort_keys=True)})
        write_bytes(path, data)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            TrainingError: the file is damaged or is not a checkpoint.
        """
        try:
            check_regular(path)
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                header = convert_json(decode_json(metadata.get(_METADATA, "null")), _Header)
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            if header.checksum != _checksum(header.epochs_done, header.setup, tensors, header.best):
                raise ValueError("its content does not match its checksum")  # noqa: TRY301 - reported below
        except (OSError, SafetensorError, ValueError) as error:
            check_resources(error)
            if is_forbidden(path, error):
                raise TrainingError(f"checkpoint {path} cannot be read: {FORBIDDEN}") from error
            reason = _NOT_A_CHECKPOINT if isinstance(error, SafetensorError) else error
            raise TrainingError(
                f"checkpoint {path} cannot be read ({reason}): delete it and train from scratch"
            ) from error

        def with_prefix(prefix: str) -> dict[str, Tensor]:
            return {
                key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
            }

        best = header.best
        return cls(
            header.epochs_done,
            header.setup.completed(),
            with_prefix(_WEIGHTS),
            with_prefix(_MOMENTUM),
            with_prefix(_BACKBONE),
            None
            if best is None
            else BestEpoch(best.epoch, ValidationResult(best.mean_ap, best.loss), with_prefix(_BEST)),
        )


def _checksum(
    epochs_done: int, setup: RunSetup, tensors: Mapping[str, Tensor], best: _Best | None = None
) -> str:
    """Return the SHA-256 of everything that a file contains; without it, damage would change the trained model."""
    # The digest covers the bytes alone, and the same bytes may be a tensor of another shape or type.
    forms = {name: [str(value.dtype), *value.shape] for name, value in tensors.items()}
    values = [epochs_done, setup.to_dict(), forms, tensor_digest(tensors)]
    if best is not None:
        values.append(msgspec.to_builtins(best))
    content = json.dumps(values, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _named_parameters(
    head: nn.Module, backbone: Mapping[str, nn.Parameter]
) -> Iterator[tuple[str, nn.Parameter]]:
    yield from head.named_parameters()
    yield from ((f"{_BACKBONE}{name}", parameter) for name, parameter in backbone.items())
