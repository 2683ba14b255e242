"""Model files: ``.safetensors`` files that contain the weights and, as metadata, a `ModelHeader`.

No pickled data is ever read. The file stores the weights of the head and any backbone weights that training
changed; all other weights come with the backbone, which the header identifies by its fingerprint.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from freeloc._validation import check_arguments
from freeloc.errors import BackboneError, ConfigurationError, ModelError
from freeloc.io.atomic import write_bytes
from freeloc.io.typed_json import decode_json
from freeloc.models.file_access import unreadable
from freeloc.models.header import METADATA_KEY, ModelFile, ModelHeader
from freeloc.models.int8_weights import FLOAT_WEIGHTS, float_weights_digest, is_current
from freeloc.models.stored_tensors import (
    BACKBONE_PREFIX,
    CHECKSUM,
    INT8_TENSORS,
    TensorInfo,
    header_checksum,
)
from freeloc.models.tensor_digest import tensor_digest
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import QuantizedGraph

__all__ = ["Model", "Storage"]

Storage: TypeAlias = Literal["float32", "float16"]
"""Data type of the weights in a model file."""

_DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.uint8: "U8",
}
"""The names of data types in safetensors files."""


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained head and everything needed to use it.

    Attributes:
        header: everything except the weights.
        head: the adaptation layers.
        backbone_changes: backbone weights that training changed, by name in the backbone's state dict.
        int8: the int8 network of backbone and head (see `freeloc.posttraining.quantize`), if any.
        storage: data type of the weights in the file; arithmetic is always float32. "float16" halves the size of
            the file and requires weights rounded by `to_float16`.
        content_hash: SHA-256 of the file from which the model was loaded; None if it was not loaded from a file.

    Raises:
        ConfigurationError: header and weights are inconsistent.
    """

    header: ModelHeader
    head: AdaptationHead
    backbone_changes: Mapping[str, Tensor] = field(default_factory=dict)
    int8: QuantizedGraph | None = None
    storage: Storage = "float32"
    content_hash: str | None = None

    def __post_init__(self) -> None:
        if self.header.head != self.head.settings:
            raise ConfigurationError(
                "the header describes a different head: create the header from the head's settings"
            )
        if bool(self.backbone_changes) != (self.header.backbone_base is not None):
            raise ConfigurationError("backbone_base and backbone_changes must be specified together")
        if (self.int8 is None) != (self.header.int8 is None):
            raise ConfigurationError(
                "an int8 network and its description in the header must be specified together"
            )

    def __repr__(self) -> str:
        return f"Model({self.header.summary})"

    def with_header(self, **changes: Any) -> Model:
        """Return a copy of the model with some fields of its header replaced."""
        return replace(self, header=replace(self.header, **changes))

    def adapt_backbone(self, backbone: Backbone) -> Backbone:
        """Return the backbone that the head requires: ``backbone`` itself, or a copy with the changed weights.

        Args:
            backbone: the backbone as loaded by ``load_backbone``.

        Raises:
            BackboneError: ``backbone`` does not have the weights from which training started.
            ModelError: the changed weights are damaged, or the header does not fit the backbone.
        """
        name = self.header.backbone
        if backbone.fingerprint not in (self.header.backbone_fingerprint, self.header.backbone_base):
            raise BackboneError(
                f"the weights loaded for backbone {name} are not those on which the model was trained: specify "
                "the weights used in training",
                parameter="weights",
            )
        self._check_fit(backbone)
        if backbone.fingerprint == self.header.backbone_fingerprint:
            return backbone
        damaged = ModelError(
            f"the model's backbone weights do not fit backbone {name}: the file is damaged; copy or train it again"
        )
        try:
            changed = backbone.with_weights(self.backbone_changes)
        except ValueError as error:
            raise damaged from error
        if changed.fingerprint != self.header.backbone_fingerprint:
            raise damaged
        return changed

    def is_as_loaded(self) -> bool:
        """Return whether the weights are still those of the file from which the model was loaded."""
        if self.content_hash is None:
            return False
        try:
            return tensor_digest(self._tensors()) == self.header.weights_digest
        except ModelError:
            return False

    def float_weights_digest(self) -> str:
        """Return the SHA-256 of the weights of the head and of the backbone weights that training changed."""
        weights = {name: value.to(torch.float32).numpy() for name, value in self._float_weights().items()}
        return float_weights_digest(weights)

    def has_current_int8(self) -> bool:
        """Return whether the int8 network was created from the current weights; True if that is not known."""
        return is_current(self.header.int8, self.float_weights_digest)

    def _check_fit(self, backbone: Backbone) -> None:
        """Check that the header describes the backbone that has the expected weights."""
        header = self.header
        facts = (
            ("values per cell", header.head.width, backbone.width),
            ("cell layout", header.layout or backbone.layout, backbone.layout),
            ("pad color", header.pad_color or backbone.pad_color, backbone.pad_color),
        )
        for name, stored, actual in facts:
            if stored != actual:
                raise ModelError(
                    f"the model does not fit backbone {header.backbone} ({name}: {stored} instead of {actual}): "
                    "the file is damaged; copy or train it again"
                )

    def to_float16(self, backbone: Backbone) -> Model:
        """Return the model with weights rounded to float16, which halves the size of its file.

        If training changed the backbone, rounding changes its fingerprint. An int8 network is kept.

        Args:
            backbone: the backbone as loaded by ``load_backbone``.

        Raises:
            BackboneError: the model was not trained on ``backbone``.
            ModelError: a weight exceeds the range of float16.
        """
        backbone = self.adapt_backbone(backbone)
        changes = {key: value.float() for key, value in _to_float16(self.backbone_changes).items()}
        head = copy.deepcopy(self.head)
        head.load_state_dict({key: value.float() for key, value in _to_float16(head.state_dict()).items()})
        fingerprint = self.header.backbone_fingerprint
        if changes:
            fingerprint = backbone.with_weights(changes).fingerprint
        rounded = replace(
            self,
            header=replace(self.header, backbone_fingerprint=fingerprint),
            head=head,
            backbone_changes=changes,
            storage="float16",
            content_hash=None,
        )
        int8 = self.header.int8
        if int8 is None or FLOAT_WEIGHTS not in int8 or not self.has_current_int8():
            return rounded
        # Rounding changes results less than the int8 network does, so that the network still fits the weights.
        return rounded.with_header(int8={**int8, FLOAT_WEIGHTS: rounded.float_weights_digest()})

    @check_arguments
    def save(self, path: str | Path) -> None:
        """Write the model file atomically.

        Raises:
            ModelError: a weight is not finite or cannot be stored as ``storage`` without loss, or a field of the
                header exceeds its limits.
            OutputError: the file cannot be written.
        """
        tensors = self._tensors()
        header = replace(self.header, weights_digest=tensor_digest(tensors))
        if self.int8 is not None:
            header = replace(header, int8={**(self.header.int8 or {}), "sha256": self.int8.digest()})
        table = {
            name: TensorInfo(_DTYPE_NAMES[value.dtype], tuple(value.shape)) for name, value in tensors.items()
        }
        try:
            # The checksum is that of the decoded text, because reading it yields lists instead of tuples.
            values = decode_json(json.dumps(header.to_dict()))
            values[CHECKSUM] = header_checksum(values, table)
            ModelHeader.from_json(values)
        except (TypeError, ValueError) as error:
            raise ModelError(f"cannot save the model: {error}") from error
        text = json.dumps(values, sort_keys=True)
        # safetensors.torch.save_file would make the file private to its owner and raise other exceptions.
        write_bytes(Path(path), as_bytes(tensors, metadata={METADATA_KEY: text}))

    def _tensors(self) -> dict[str, Tensor]:
        """Return all tensors to store, in the data type of the file."""
        weights = self._float_weights()
        for key, value in weights.items():
            if not bool(value.isfinite().all()):
                raise ModelError(
                    f"the model's {key} contains non-finite values: train with a lower learning rate",
                    parameter="learning_rate",
                )
        if self.storage == "float16":
            halved = _to_float16(weights)
            if any(not torch.equal(halved[key].to(value.dtype), value) for key, value in weights.items()):
                raise ModelError(
                    "the model's weights are not rounded to float16: save the result of Model.to_float16"
                )
            weights = halved
        if self.int8 is not None:
            parts = (self.int8.structure, self.int8.weights)
            weights |= {
                key: torch.frombuffer(bytearray(part), dtype=torch.uint8)
                for key, part in zip(INT8_TENSORS, parts, strict=True)
            }
        return weights

    def _float_weights(self) -> dict[str, Tensor]:
        """Return the weights of the head and the changed weights of the backbone, by their names in the file."""
        weights = dict(self.head.state_dict())
        weights |= {f"{BACKBONE_PREFIX}{key}": value for key, value in self.backbone_changes.items()}
        return {key: value.detach().cpu().contiguous() for key, value in weights.items()}

    @classmethod
    def load(cls, model: str | Path) -> Model:
        """Load a model file.

        Args:
            model: a model file, the run folder that contains it, or a name; see
                `freeloc.models.registry.find_model`.

        Raises:
            ModelError: the model does not exist, is not a freeloc model, is damaged, or was written by a newer
                version of freeloc.
        """
        file = ModelFile.open(model)
        header, tensors = file.header, _read_tensors(file.path)
        if header.weights_digest is not None and header.weights_digest != tensor_digest(tensors):
            file.check_stamp()
            raise file.damaged("its weights do not match the stored hash")
        for name in INT8_TENSORS:
            tensors.pop(name, None)
        half = any(value.dtype == torch.float16 for value in tensors.values())
        tensors = {key: value.float() if half else value for key, value in tensors.items()}
        for key, value in tensors.items():
            # The weights are used as float32, whatever the file stores.
            if not bool(value.to(torch.float32).isfinite().all()):
                raise file.damaged(f"its {key} contains values that are not finite")
        changes: dict[str, Tensor] = {}
        if header.backbone_base is not None:
            names = [key for key in tensors if key.startswith(BACKBONE_PREFIX)]
            changes = {key.removeprefix(BACKBONE_PREFIX): tensors.pop(key) for key in names}
        try:
            return cls(
                header,
                _build_head(header.head, tensors),
                changes,
                file.int8_graph(),
                storage="float16" if half else "float32",
                content_hash=file.content_hash,
            )
        except (ConfigurationError, TypeError, RuntimeError) as error:
            raise file.damaged(str(error)) from error


def _build_head(settings: HeadSettings, weights: Mapping[str, Tensor]) -> AdaptationHead:
    """Return a head with weights from a file.

    Raises:
        RuntimeError: the weights do not have the shapes that the settings require.
    """
    # Built on the meta device, so that a damaged header cannot allocate more memory than the file's size.
    with torch.device("meta"):
        head = AdaptationHead(settings)
    # Copied, because tensors in a file may be unaligned.
    head.load_state_dict(
        {key: value.to(torch.float32, copy=True) for key, value in weights.items()}, assign=True
    )
    return head.eval()


def _to_float16(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round weights to float16.

    Raises:
        ModelError: a weight exceeds the range of float16.
    """
    halved = {key: value.to(torch.float16) for key, value in weights.items()}
    for key, value in halved.items():
        if not bool(value.isfinite().all()):
            raise ModelError(f"the model's {key} exceeds the range of float16: keep the model in float32")
    return halved


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise unreadable(path, error) from error
