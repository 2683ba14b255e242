"""The header of a model file: everything but the weights, read without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from freeloc.errors import ConfigurationError, ModelError, check_choice
from freeloc.geometry.grid import CellLayout, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.models.calibration import Calibration
from freeloc.models.registry import find_model
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.pooling.registry import POOLINGS
from freeloc.runtime import QuantizedGraph

__all__ = [
    "DEFAULT_BOX_THRESHOLD",
    "INT8_TENSORS",
    "ModelCard",
    "ModelFile",
    "ModelHeader",
]

DEFAULT_BOX_THRESHOLD = 0.3
"""Box threshold of models for which none was fitted, as a fraction of a map's maximum."""

INT8_TENSORS = ("int8.structure", "int8.weights")
"""Names of the two uint8 vectors that store the int8 network."""

_HEAD_ONLY, _WITH_BACKBONE, _WITH_INT8 = 1, 2, 3
"""Format versions: version 1 stores a head; version 2 adds changed backbone weights; version 3 adds an int8
network, with or without changed backbone weights."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Description of a model for people who did not train it.

    Attributes:
        name: the model's name; `find_model` uses the file's name, not this one.
        version: the model's version, as its author counts.
        description: one line on what the model localizes and on its training data.
        data_licence: license or terms of use of the training images.
    """

    name: str
    version: str = ""
    description: str = ""
    data_licence: str = ""

    def __post_init__(self) -> None:
        for entry in fields(self):
            if not isinstance(getattr(self, entry.name), str):
                raise ConfigurationError(
                    f"{entry.name} of the model card must be a string", parameter=entry.name
                )

    @classmethod
    def from_json(cls, values: Any) -> ModelCard:
        """Read a card from JSON values, ignoring fields that later versions of freeloc may add."""
        known = {entry.name for entry in fields(cls)}
        return cls(**{key: value for key, value in dict(values).items() if key in known})


@dataclass(frozen=True, kw_only=True)
class ModelHeader:
    """Everything that a model file stores besides tensors.

    Attributes:
        backbone: name of the backbone on which the head was trained.
        backbone_fingerprint: hash of that backbone's name and weights, including weights changed by training.
        backbone_base: the fingerprint before training changed any weights; None if the backbone was frozen.
        classes: the K class names.
        head: shape of the head.
        scales: default scales of prediction.
        padding: how canvases are padded.
        pooling: how a score map becomes a score, see `freeloc.nn.pooling.registry.POOLINGS`.
        threshold: probability from which a class counts as present, used without a ``calibration``.
        box_threshold: fraction of a map's maximum at which boxes are drawn, see `freeloc.inference.boxes`.
        layout: the backbone's cell layout; None in files that do not store it, for which the backbone is loaded.
        pad_color: RGB color of canvas padding; None in files that do not store it.
        manifest: how the model was trained.
        calibration: maps scores to probabilities, with one threshold per class; None if not calibrated.
        card: description for other people; None if there is none.
        int8: how the int8 network was made, with the SHA-256 of its graph as ``sha256``; None without one.
        weights_digest: SHA-256 over names and bytes of all tensors; None before saving, and in files that do not
            store it.
    """

    backbone: str
    backbone_fingerprint: str
    classes: tuple[str, ...]
    head: HeadSettings
    scales: tuple[float, ...]
    padding: Padding = "stride"
    pooling: str = "max"
    threshold: float = 0.5
    box_threshold: float = DEFAULT_BOX_THRESHOLD
    layout: CellLayout | None = None
    pad_color: tuple[int, int, int] | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    backbone_base: str | None = None
    calibration: Calibration | None = None
    card: ModelCard | None = None
    int8: Mapping[str, Any] | None = None
    weights_digest: str | None = None

    @property
    def format_version(self) -> int:
        """Version of the file format, the lowest that can store this model."""
        if self.int8 is not None:
            return _WITH_INT8
        return _HEAD_ONLY if self.backbone_base is None else _WITH_BACKBONE

    def as_json(self) -> dict[str, Any]:
        """Return the header as JSON values; `from_json` reads them."""
        values = asdict(self)
        values["format_version"] = self.format_version
        values["weights"] = values.pop("weights_digest")
        if self.format_version < _WITH_BACKBONE:
            del values["backbone_base"]
        for name in ("calibration", "card", "int8"):
            if values[name] is None:
                del values[name]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ModelHeader:
        """Read a header from JSON values.

        Raises:
            KeyError: a field is missing.
            TypeError: a value has the wrong type.
            ValueError: a value is out of range.
        """
        version = values["format_version"]
        layout, pad_color = values.get("layout"), values.get("pad_color")
        check_choice("padding", values["padding"], Padding)
        if not isinstance(values["pooling"], str):
            raise TypeError(f"pooling is {values['pooling']!r}")
        return cls(
            backbone=values["backbone"],
            backbone_fingerprint=values["backbone_fingerprint"],
            backbone_base=values["backbone_base"] if version >= _WITH_BACKBONE else None,
            classes=tuple(values["classes"]),
            head=HeadSettings(**values["head"]),
            scales=_scales(values["scales"]),
            padding=values["padding"],
            pooling=values["pooling"],
            threshold=_share(values["threshold"]),
            box_threshold=_share(values.get("box_threshold", DEFAULT_BOX_THRESHOLD)),
            layout=None if layout is None else CellLayout(**layout),
            pad_color=None
            if pad_color is None
            else (int(pad_color[0]), int(pad_color[1]), int(pad_color[2])),
            manifest=values["manifest"],
            calibration=_calibration(values.get("calibration"), len(values["classes"])),
            card=None if values.get("card") is None else ModelCard.from_json(values["card"]),
            int8=dict(values["int8"]) if version >= _WITH_INT8 else None,
            weights_digest=values.get("weights"),
        )


@dataclass(frozen=True)
class ModelFile:
    """A model file whose header has been read.

    Attributes:
        path: the file.
        header: everything that the file stores besides tensors.
    """

    path: Path
    header: ModelHeader

    @classmethod
    def open(cls, model: str | Path) -> ModelFile:
        """Read the header of a model file.

        Args:
            model: a model file, the run folder that contains it, or a name, see
                `freeloc.models.registry.find_model`.

        Raises:
            ModelError: the model does not exist, is not a freeloc model, is damaged, or was written by a newer
                version of freeloc.
        """
        path = find_model(model)
        values = _metadata(path)
        version = values.get("format_version")
        if version not in (_HEAD_ONLY, _WITH_BACKBONE, _WITH_INT8):
            raise ModelError(
                f"model {path} has format version {version}, this freeloc reads {_HEAD_ONLY} to {_WITH_INT8}: "
                "update freeloc",
                path=path,
            )
        pooling = values.get("pooling")
        if isinstance(pooling, str) and pooling not in POOLINGS.names():
            raise ModelError(
                f"model {path} uses the pooling {pooling!r}, which is not available: install the package that "
                "provides it, or update freeloc",
                path=path,
            )
        try:
            header = ModelHeader.from_json(values)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise _damaged(path, str(error)) from error
        return cls(path, header)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the whole file, which is read on first use."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def damaged(self, reason: str) -> ModelError:
        """Return the error to raise when the rest of the file contradicts the header."""
        return _damaged(self.path, reason)

    def int8_graph(self) -> QuantizedGraph | None:
        """Read the int8 network, without torch; None if the file has none.

        Raises:
            ModelError: the file is damaged.
        """
        if self.header.int8 is None:
            return None
        try:
            with safe_open(self.path, framework="np") as file:
                graph = QuantizedGraph(*(file.get_tensor(name).tobytes() for name in INT8_TENSORS))
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"model {self.path} cannot be read ({error}): copy it again", path=self.path
            ) from error
        if graph.digest() != self.header.int8.get("sha256"):
            raise ModelError(
                f"model {self.path} is damaged (its int8 network is not the one that was written): copy it again, "
                "or quantize it again",
                path=self.path,
            )
        return graph


def _scales(values: Any) -> tuple[float, ...]:
    scales = tuple(float(value) for value in values)
    try:
        Pyramid(scales)
    except Exception as error:
        raise ValueError(str(error)) from error
    return scales


def _calibration(values: Any, classes: int) -> Calibration | None:
    return None if values is None else Calibration.from_json(values, classes)


def _share(value: Any) -> float:
    if not 0 <= float(value) <= 1:
        raise ValueError(f"{value} is not between 0 and 1")
    return float(value)


def _metadata(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise ModelError(
            f"{path} holds no model.safetensors: give a run folder that freeloc train finished", path=path
        )
    if not path.is_file():
        raise ModelError(
            f"model {path} does not exist: give a .safetensors file that freeloc train wrote", path=path
        )
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {}).get("freeloc", "null"))
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(
            f"model {path} cannot be read ({error}): train or copy it again", path=path
        ) from error
    if not isinstance(header, dict):
        raise ModelError(
            f"{path} is a safetensors file but not a freeloc model: give one from freeloc train", path=path
        )
    return header


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"model {path} is damaged ({' '.join(reason.split())}): train or copy it again", path=path
    )
