"""Headers of model files, which store everything except the tensors and can be read without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeGuard

from msgspec import Meta
from safetensors import SafetensorError, safe_open

from freeloc._literals import Padding, Resize
from freeloc.errors import ConfigurationError, ModelError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.io.file_stamp import FileStamp
from freeloc.io.typed_json import check_depth, convert_json, decode_json, reject_unknown_fields
from freeloc.models.calibration import DEFAULT_THRESHOLD, Calibration
from freeloc.models.card import ModelCard
from freeloc.models.file_access import changed, check_is_file, content_hash, damaged, unreadable
from freeloc.models.int8_facts import check_graph_outputs, check_int8_facts, int8_facts
from freeloc.models.registry import find_model
from freeloc.models.stored_tensors import (
    CHECKSUM,
    INT8_TENSORS,
    TensorInfo,
    TensorTable,
    check_tensors,
    header_checksum,
)
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.pooling.registry import POOLINGS
from freeloc.runtime import QuantizedGraph

__all__ = ["DEFAULT_BOX_THRESHOLD", "METADATA_KEY", "ModelFile", "ModelHeader"]

DEFAULT_BOX_THRESHOLD = 0.3
"""Box threshold of models for which none was fitted, as a fraction of a map's maximum."""

METADATA_KEY = "freeloc"
"""Key of the JSON header in the metadata of the safetensors file."""

_HEAD_ONLY, _WITH_BACKBONE, _WITH_INT8, _CURRENT = 1, 2, 3, 4
"""Format versions: version 1 stores a head; version 2 also stores changed backbone weights; version 3 also stores
an int8 network, with or without changed backbone weights. Version 4 stores any of these, and a checksum of the
header. Only version 4 is written; the others are read without this check."""

_REQUIRED = (
    *("backbone", "backbone_fingerprint", "classes", "head", "scales"),
    *("padding", "pooling", "threshold", "manifest"),
)
"""Fields present in every file; the others were added by later versions of the format."""

_ADDED = {
    _HEAD_ONLY: (),
    _WITH_BACKBONE: ("backbone_base",),
    _WITH_INT8: ("backbone_base", "int8"),
    _CURRENT: ("weights", CHECKSUM),
}
"""Further fields required by each version."""

_MAX_DEPTH = 32
"""Maximum nesting of the manifest and other free-form parts of the header."""

_MAX_PIXELS = 4096
"""Maximum stride, offset and window of a cell layout, in pixels."""

Name: TypeAlias = Annotated[str, Meta(max_length=1000)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Channel: TypeAlias = Annotated[int, Meta(ge=0, le=255)]


@dataclass(frozen=True, kw_only=True, repr=False)
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
        resize: how images are resized.
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
    resize: Resize = "once"

    def __post_init__(self) -> None:
        _ = self.pyramid  # checks the scales
        names = len(self.classes)
        if len(set(self.classes)) != names:
            repeated = Counter(self.classes).most_common(1)[0][0]
            raise ConfigurationError(f"the class name {repeated[:50]!r} occurs more than once")
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
        if self.int8 is not None:
            check_int8_facts(self.int8, int8_facts(self.layout, self.pad_color, self.head))
        facts = None if self.calibration is None else self.calibration.facts
        try:
            check_depth([self.manifest, self.int8, facts], _MAX_DEPTH)
        except ValueError as error:
            raise ConfigurationError(f"the manifest or other facts about the model: {error}") from error
        for key in ("data", "recipe", "timings"):
            if not isinstance(self.manifest.get(key) or {}, Mapping):
                raise ConfigurationError(f"{key} in the manifest is not a JSON object")

    def __repr__(self) -> str:
        return f"ModelHeader({self.summary})"

    @property
    def pyramid(self) -> Pyramid:
        """The default scales, and how canvases are made."""
        return Pyramid(self.scales, self.padding, self.resize)

    @property
    def summary(self) -> str:
        """The number of classes, the backbone, and what the file contains beside the head, in a few words."""
        parts = [f"{len(self.classes)} classes on {self.backbone}"]
        if self.calibration is not None:
            parts.append("calibrated")
        if self.int8 is not None:
            parts.append("int8")
        return ", ".join(parts)

    @property
    def training_data(self) -> Mapping[str, Any]:
        """Description of the training data in the manifest; empty if there is none."""
        data: Mapping[str, Any] = self.manifest.get("data") or {}
        return data

    def to_dict(self) -> dict[str, Any]:
        """Return the header as JSON values; `from_json` reads them."""
        values = asdict(self)
        if self.resize == "once":
            del values["resize"]  # the field is younger than this behavior
        values["format_version"] = _CURRENT
        values["weights"] = values.pop("weights_digest")
        for name in ("backbone_base", "calibration", "card", "int8"):
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
        if not _is_known(version):
            raise ValueError(f"the format version {str(version)[:20]} is unknown")
        missing = [name for name in (*_REQUIRED, *_ADDED[version]) if name not in values]
        if missing:
            raise ValueError(f"the field {missing[0]} is missing")
        reject_unknown_fields("head", values["head"], HeadSettings)
        reject_unknown_fields("layout", values.get("layout"), CellLayout)
        digest = values.get("weights")
        if not isinstance(digest, str | None):
            raise ValueError("weights: it must be text")  # noqa: TRY004 - all damage is reported as a ValueError
        renamed = {**values, "weights_digest": digest}
        if version != _CURRENT:
            # Older versions of the format do not have these fields.
            renamed |= {name: None for name in ("backbone_base", "int8") if name not in _ADDED[version]}
        header = convert_json(renamed, cls)
        if version != _CURRENT and _old_version(header) != version:
            raise ValueError(f"its contents do not match format version {version}")
        return header


@dataclass(frozen=True)
class ModelFile:
    """A model file whose header has been read.

    Attributes:
        path: the file.
        header: everything that the file stores except tensors.
        stamp: version of the file from which the header was read.
    """

    path: Path
    header: ModelHeader
    stamp: FileStamp

    @classmethod
    def open(cls, model: str | Path) -> ModelFile:
        """Read the header of a model file, and check it against its checksum and against the file's tensors.

        Args:
            model: a model file, the run folder that contains it, or a name; see
                `freeloc.models.registry.find_model`.

        Raises:
            ModelError: the model does not exist, is not a freeloc model, is damaged, or was written by a newer
                version of freeloc.
        """
        path = find_model(model)
        check_is_file(path)
        try:
            stamp = FileStamp.of(path)
            values, tensors = _read_metadata(path)
        except (OSError, SafetensorError, ValueError) as error:
            raise unreadable(path, error) from error
        file = cls(path, _read_header(path, values, tensors), stamp)
        file.check_stamp()
        return file

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the whole file, which is read on first use.

        Raises:
            ModelError: the file was replaced after its header was read.
        """
        found = content_hash(self.path)
        self.check_stamp()
        return found

    def check_stamp(self) -> None:
        """Check quickly that the file has not been replaced or modified since it was opened.

        Raises:
            ModelError: the file was replaced, modified or deleted.
        """
        try:
            same = FileStamp.of(self.path) == self.stamp
        except OSError:
            same = False
        if not same:
            raise changed(self.path)

    def damaged(self, reason: str) -> ModelError:
        """Return the error to raise if the rest of the file contradicts the header."""
        return damaged(self.path, reason)

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
            self.check_stamp()
            raise self.damaged("its int8 network does not match the stored hash")
        try:
            check_graph_outputs(graph.structure, len(self.header.classes))
        except ValueError as error:
            raise self.damaged(str(error)) from error
        return graph


def _check_layout(layout: CellLayout) -> None:
    window = 1 if layout.window is None else layout.window
    if not (
        1 <= layout.stride <= _MAX_PIXELS and 1 <= window <= _MAX_PIXELS and abs(layout.offset) <= _MAX_PIXELS
    ):
        raise ConfigurationError(
            f"the cell layout is out of range: stride and window must be between 1 and {_MAX_PIXELS}, and the "
            f"offset between -{_MAX_PIXELS} and {_MAX_PIXELS}"
        )


def _read_metadata(path: Path) -> tuple[Any, TensorTable]:
    """Return the decoded header and the file's tensors.

    Raises:
        OSError, SafetensorError, ValueError: the file cannot be read.
    """
    with safe_open(path, framework="np") as file:
        text = (file.metadata() or {}).get(METADATA_KEY)
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        tensors = {
            name: TensorInfo(part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()
        }
    return None if text is None else decode_json(text), tensors


def _read_header(path: Path, values: Any, tensors: TensorTable) -> ModelHeader:
    if not isinstance(values, dict):
        raise ModelError(
            f"cannot load model {path}: this safetensors file is not a freeloc model; specify a model trained "
            "by freeloc",
            path=path,
        )
    version = values.get("format_version")
    if not _is_known(version):
        raise ModelError(
            f"cannot load model {path}: it has format version {str(version)[:20]}, but this version of "
            f"freeloc reads only versions {_HEAD_ONLY} to {_CURRENT}; update freeloc",
            path=path,
        )
    try:
        check_depth(values, _MAX_DEPTH + 2)
        _check_checksum(values, tensors)
        _check_pooling(path, values.get("pooling"))
        header = ModelHeader.from_json(values)
        check_tensors(
            tensors, header.head, backbone=header.backbone_base is not None, int8=header.int8 is not None
        )
    except ValueError as error:
        raise damaged(path, str(error)) from error
    return header


def _check_checksum(values: Mapping[str, Any], tensors: TensorTable) -> None:
    # A header of an older version has no checksum. If there is one, it is checked whatever the version is, because
    # the version number itself may be damaged.
    if CHECKSUM in values and values[CHECKSUM] != header_checksum(values, tensors):
        raise ValueError("its header does not match the stored checksum")


def _check_pooling(path: Path, pooling: object) -> None:
    if isinstance(pooling, str) and pooling not in POOLINGS.names():
        raise ModelError(
            f"cannot load model {path}: its pooling {pooling[:50]!r} is not available; install the package "
            "that provides it, or update freeloc",
            path=path,
        )


def _is_known(version: object) -> TypeGuard[int]:
    return type(version) is int and version in _ADDED


def _old_version(header: ModelHeader) -> int:
    """Return the lowest version below 4 that can store a header."""
    if header.int8 is not None:
        return _WITH_INT8
    return _HEAD_ONLY if header.backbone_base is None else _WITH_BACKBONE
