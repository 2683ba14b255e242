"""Headers of model files, which store everything except the tensors and can be read without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from msgspec import Meta
from safetensors import SafetensorError, safe_open

from freeloc.errors import ConfigurationError, ModelError, ResourceError
from freeloc.geometry.grid import CellLayout, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.io.limits import resource_error
from freeloc.io.typed_json import convert_json, decode_json, reject_unknown_fields
from freeloc.models.calibration import DEFAULT_THRESHOLD, Calibration
from freeloc.models.card import ModelCard
from freeloc.models.registry import find_model
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.pooling.registry import POOLINGS
from freeloc.runtime import QuantizedGraph

__all__ = ["DEFAULT_BOX_THRESHOLD", "INT8_TENSORS", "METADATA_KEY", "ModelFile", "ModelHeader", "unreadable"]

DEFAULT_BOX_THRESHOLD = 0.3
"""Box threshold of models for which none was fitted, as a fraction of a map's maximum."""

METADATA_KEY = "freeloc"
"""Key of the JSON header in the metadata of the safetensors file."""

INT8_TENSORS = ("int8.structure", "int8.weights")
"""Names of the two uint8 vectors that store the int8 network."""

_HEAD_ONLY, _WITH_BACKBONE, _WITH_INT8 = 1, 2, 3
"""Format versions: version 1 stores a head; version 2 also stores changed backbone weights; version 3 also stores
an int8 network, with or without changed backbone weights."""

_REQUIRED = (
    *("backbone", "backbone_fingerprint", "classes", "head", "scales"),
    *("padding", "pooling", "threshold", "manifest"),
)
"""Fields present in every file; the others were added by later versions of the format."""

_MAX_PIXELS = 4096
"""Maximum stride, offset and window of a cell layout, in pixels."""

Name: TypeAlias = Annotated[str, Meta(max_length=1000)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Channel: TypeAlias = Annotated[int, Meta(ge=0, le=255)]


@dataclass(frozen=True, kw_only=True)
class ModelHeader:
    """Everything that a model file stores except tensors.

    Attributes:
        backbone: name of the backbone on which the head was trained.
        backbone_fingerprint: hash of that backbone's name and weights, including weights changed by training.
        backbone_base: fingerprint before training changed any weights; None if the backbone was frozen.
        classes: the K class names.
        head: shape of the head.
        scales: default scales for prediction.
        padding: how canvases are padded.
        pooling: how score maps are pooled to scores; see `freeloc.nn.pooling.registry.POOLINGS`.
        threshold: minimum probability at which a class counts as present if there is no ``calibration``.
        box_threshold: fraction of a map's maximum at which boxes are drawn; see `freeloc.inference.boxes`.
        layout: the backbone's cell layout; None in files that do not store it. The backbone must then be loaded to
            determine it.
        pad_color: RGB color of canvas padding; None in files that do not store it.
        manifest: how the model was trained.
        calibration: maps scores to probabilities, with one threshold per class; None if uncalibrated.
        card: description for the model's users, if any.
        int8: how the int8 network was computed, with the SHA-256 of its graph as ``sha256``; None without an int8
            network.
        weights_digest: SHA-256 of the names and bytes of all tensors; None before saving, and in files that do not
            store it.

    Raises:
        ConfigurationError: a value is out of range, or fields contradict each other.
    """

    backbone: Name
    backbone_fingerprint: Name
    classes: Annotated[tuple[Name, ...], Meta(max_length=100_000)]
    head: HeadSettings
    scales: Annotated[tuple[float, ...], Meta(max_length=100)]
    padding: Padding = "stride"
    pooling: Name = "max"
    threshold: Share = DEFAULT_THRESHOLD
    box_threshold: Share = DEFAULT_BOX_THRESHOLD
    layout: CellLayout | None = None
    pad_color: tuple[Channel, Channel, Channel] | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    backbone_base: Name | None = None
    calibration: Calibration | None = None
    card: ModelCard | None = None
    int8: Mapping[str, Any] | None = None
    weights_digest: Name | None = None

    def __post_init__(self) -> None:
        Pyramid(self.scales, self.padding)
        names = len(self.classes)
        if self.head.classes != names:
            raise ConfigurationError(
                f"the head has {self.head.classes} classes, but there are {names} class names"
            )
        if self.calibration is not None and len(self.calibration) != names:
            raise ConfigurationError(
                f"the calibration has {len(self.calibration)} classes, but there are {names} class names"
            )
        if self.layout is not None:
            _check_layout(self.layout)
        for key in ("data", "recipe", "timings"):
            if not isinstance(self.manifest.get(key) or {}, Mapping):
                raise ConfigurationError(f"{key} in the manifest is not a JSON object")

    @property
    def format_version(self) -> int:
        """Lowest version of the file format that can store this model."""
        if self.int8 is not None:
            return _WITH_INT8
        return _HEAD_ONLY if self.backbone_base is None else _WITH_BACKBONE

    @property
    def training_data(self) -> Mapping[str, Any]:
        """Description of the training data in the manifest; empty if there is none."""
        data: Mapping[str, Any] = self.manifest.get("data") or {}
        return data

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
        """Read a header from decoded JSON. Unknown fields are ignored, except in ``head`` and ``layout``.

        Raises:
            ValueError: a field is missing, has the wrong type, or is out of range. The message is one line.
        """
        version = values.get("format_version")
        required = [*_REQUIRED]
        if version in (_WITH_BACKBONE, _WITH_INT8):
            required.append("backbone_base")
        if version == _WITH_INT8:
            required.append("int8")
        missing = [name for name in required if name not in values]
        if missing:
            raise ValueError(f"the field {missing[0]} is missing")
        reject_unknown_fields("head", values["head"], HeadSettings)
        reject_unknown_fields("layout", values.get("layout"), CellLayout)
        digest = values.get("weights")
        if not isinstance(digest, str | None):
            raise ValueError("weights: expected `str`")  # noqa: TRY004 - all damage is reported as a ValueError
        renamed = {**values, "weights_digest": digest}
        # Older versions of the format do not have these fields.
        renamed |= {name: None for name in ("backbone_base", "int8") if name not in required}
        header = convert_json(renamed, cls)
        if header.format_version != version:
            raise ValueError(f"its contents do not match format version {version}")
        return header


@dataclass(frozen=True)
class ModelFile:
    """A model file whose header has been read.

    Attributes:
        path: the file.
        header: everything that the file stores except tensors.
    """

    path: Path
    header: ModelHeader

    @classmethod
    def open(cls, model: str | Path) -> ModelFile:
        """Read the header of a model file.

        Args:
            model: a model file, the run folder that contains it, or a name; see
                `freeloc.models.registry.find_model`.

        Raises:
            ModelError: the model does not exist, is not a freeloc model, is damaged, or was written by a newer
                version of freeloc.
        """
        path = find_model(model)
        values = _read_metadata(path)
        version, pooling = values.get("format_version"), values.get("pooling")
        if version not in (_HEAD_ONLY, _WITH_BACKBONE, _WITH_INT8):
            raise ModelError(
                f"cannot load model {path}: it has format version {str(version)[:20]}, but this version of "
                f"freeloc reads only versions {_HEAD_ONLY} to {_WITH_INT8}; update freeloc",
                path=path,
            )
        if isinstance(pooling, str) and pooling not in POOLINGS.names():
            raise ModelError(
                f"cannot load model {path}: its pooling {pooling[:50]!r} is not available; install the package "
                "that provides it, or update freeloc",
                path=path,
            )
        try:
            header = ModelHeader.from_json(values)
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        return cls(path, header)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the whole file, which is read on first use."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def damaged(self, reason: str) -> ModelError:
        """Return the error to raise if the rest of the file contradicts the header."""
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
            raise unreadable(self.path, error) from error
        if graph.digest() != self.header.int8.get("sha256"):
            raise self.damaged("its int8 network does not match the stored hash")
        return graph


def unreadable(path: Path, error: Exception) -> ModelError | ResourceError:
    """Return the error for a file that safetensors cannot read."""
    shortage = resource_error(error)
    if shortage is not None:
        return shortage
    reason = " ".join(str(error).split())
    return ModelError(f"cannot read model {path}: {reason}; copy or train it again", path=path)


def _check_layout(layout: CellLayout) -> None:
    window = 1 if layout.window is None else layout.window
    if not (
        1 <= layout.stride <= _MAX_PIXELS and 1 <= window <= _MAX_PIXELS and abs(layout.offset) <= _MAX_PIXELS
    ):
        raise ConfigurationError(
            f"the cell layout is out of range: stride and window must be between 1 and {_MAX_PIXELS}, and the "
            f"offset between -{_MAX_PIXELS} and {_MAX_PIXELS}"
        )


def _read_metadata(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise ModelError(
            f"cannot load model {path}: the folder contains no model.safetensors; specify the folder of a "
            "finished training run",
            path=path,
        )
    if not path.is_file():
        raise ModelError(
            f"cannot load model {path}: the file does not exist; specify a model file, a run folder, or the name "
            "of a model",
            path=path,
        )
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
        values = None if text is None else decode_json(text)
    except (OSError, SafetensorError, ValueError) as error:
        raise unreadable(path, error) from error
    if not isinstance(values, dict):
        raise ModelError(
            f"cannot load model {path}: this safetensors file is not a freeloc model; specify a model trained "
            "by freeloc",
            path=path,
        )
    return values


def _damaged(path: Path, reason: str) -> ModelError:
    reason = " ".join(reason.split())
    return ModelError(f"model {path} is damaged: {reason}; copy or train it again", path=path)
