"""Checkpoints of pretraining, and what its files state about the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import torch
from msgspec import Meta
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from freeloc.errors import TrainingError
from freeloc.io.atomic import write_bytes
from freeloc.io.limits import check_resources
from freeloc.io.permissions import FORBIDDEN, is_forbidden
from freeloc.io.regular_file import check_regular
from freeloc.io.typed_json import convert_json, decode_json
from freeloc.models.tensor_digest import tensor_digest

__all__ = ["METADATA_KEY", "EpochResult", "PretrainingCheckpoint", "PretrainingRecord", "read_record"]

METADATA_KEY: Final = "freeloc_pretraining"
"""Key of the record in the metadata of checkpoints and weight files."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What happened in an epoch.

    Attributes:
        epoch: number of the epoch, from 1.
        loss: mean cross-entropy of the crops, with dropout.
        accuracy: fraction of the crops whose class had the highest score, with dropout.
        learning_rate: learning rate of the last step.
        seconds: duration in seconds.
    """

    epoch: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class PretrainingRecord:
    """How weights were pretrained.

    Attributes:
        settings: fields of the settings, as plain JSON.
        data: hash of the classes, the images' names and their classes.
        classes: names of the classes.
        epochs: the finished epochs.
        checksum: hash of the tensors and the other fields; empty in weight files.
    """

    settings: dict[str, Any]
    data: str
    classes: Annotated[tuple[str, ...], Meta(max_length=1_000_000)]
    epochs: tuple[EpochResult, ...] = ()
    checksum: str = ""

    def difference(self, other: PretrainingRecord) -> tuple[str, str] | None:
        """Return the first parameter in which another run differs, and how; None if it is the same run."""
        for name, value in self.settings.items():
            if other.settings.get(name) != value:
                return name, f"{name} ({_plain(other.settings.get(name))}, now {_plain(value)})"
        if (self.data, self.classes) != (other.data, other.classes):
            return "data", "the data (the images or their classes)"
        return None


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@dataclass(frozen=True, eq=False)
class PretrainingCheckpoint:
    """The state of pretraining at the end of an epoch.

    Attributes:
        record: settings, data and finished epochs.
        weights: state dict of the network.
        momentum: momentum buffers of SGD, by weight name.
    """

    record: PretrainingRecord
    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        parts = {"weights": self.weights, "momentum": self.momentum}
        tensors = {
            f"{part}.{name}": value.detach().cpu().contiguous()
            for part, values in parts.items()
            for name, value in values.items()
        }
        values = msgspec.to_builtins(self.record)
        values["checksum"] = _checksum(values, tensors)
        write_bytes(path, as_bytes(tensors, metadata={METADATA_KEY: json.dumps(values)}))

    @classmethod
    def load(cls, path: Path) -> PretrainingCheckpoint:
        """Read a checkpoint.

        Raises:
            TrainingError: the file is damaged or is not a checkpoint.
        """
        try:
            check_regular(path)
            with safe_open(path, framework="pt") as file:
                record = _record(file.metadata())
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            if record.checksum != _checksum(msgspec.to_builtins(record), tensors):
                raise ValueError("its content does not match its checksum")  # noqa: TRY301 - reported below
        except (OSError, SafetensorError, ValueError) as error:
            check_resources(error)
            if is_forbidden(path, error):
                raise TrainingError(f"checkpoint {path} cannot be read: {FORBIDDEN}") from error
            reason = "it is not a safetensors file" if isinstance(error, SafetensorError) else error
            raise TrainingError(
                f"checkpoint {path} cannot be read ({reason}): delete it and start from scratch"
            ) from error
        return cls(record, _with_prefix("weights.", tensors), _with_prefix("momentum.", tensors))


def read_record(path: Path) -> PretrainingRecord | None:
    """Return the record of a weight file; None if the file does not exist or was not written by pretraining."""
    try:
        with safe_open(path, framework="pt") as file:
            return _record(file.metadata())
    except (OSError, SafetensorError, ValueError) as error:
        check_resources(error)
        return None


def _record(metadata: Mapping[str, str] | None) -> PretrainingRecord:
    return convert_json(decode_json((metadata or {}).get(METADATA_KEY, "null")), PretrainingRecord)


def _with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _checksum(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    forms = {name: [str(value.dtype), *value.shape] for name, value in tensors.items()}
    stated = {name: value for name, value in values.items() if name != "checksum"}
    content = json.dumps([stated, forms, tensor_digest(tensors)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def restore_momentum(
    optimizer: torch.optim.Optimizer, network: torch.nn.Module, momentum: Mapping[str, Tensor]
) -> None:
    """Copy momentum buffers into an optimizer."""
    for name, parameter in network.named_parameters():
        if name in momentum:
            buffer = torch.empty_like(parameter).copy_(momentum[name])
            optimizer.state[parameter]["momentum_buffer"] = buffer
