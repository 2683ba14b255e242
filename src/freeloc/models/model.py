"""The model file: one ``.safetensors`` with the head's weights and, in its metadata, all that belongs to them.

No pickle is ever read. The backbone's weights stay where they come from; the file names the backbone and
the hash of
its weights, and a head is refused on any other. Where training changed some of the backbone's weights, the
file holds
those as well, beside the hashes of the backbone before and after.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout, Padding
from freeloc.io.atomic import write_bytes
from freeloc.models.calibration import Calibration
from freeloc.models.header import (
    DEFAULT_BOX_THRESHOLD,
    HEAD_ALONE,
    INT8,
    INT8_PRESETS,
    WITH_BACKBONE,
    ModelCard,
    ModelHeader,
)
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.head import AdaptationHead, HeadSettings
from freeloc.runtime import QuantizedGraph

__all__ = ["Model", "Storage"]

Storage: TypeAlias = Literal["float32", "float16"]
"""How a model file holds weights."""

_BACKBONE = "backbone."
"""Before the names of the backbone's weights in the file."""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained head and what is needed to use it.

    Attributes:
        backbone: name of the backbone it was trained on.
        backbone_fingerprint: hash of that backbone's name and weights, changed ones included.
        classes: the K class names.
        head: the adaptation layers.
        scales: the scales an image is looked at by default.
        padding: how canvases are padded.
        pooling: how a map becomes a score, see `freeloc.nn.pooling.registry.POOLINGS`.
        threshold: probability from which a class counts as present, where ``calibration`` has none for each class.
        box_threshold: share of a map's highest value at which boxes are drawn best, see `freeloc.inference.boxes`.
        layout: how the backbone lays its cells, so that it need not be asked.
        pad_color: RGB colour of canvas padding, likewise.
        manifest: how it was trained.
        content: hash of the file it was read from; None for one that was made here.
        backbone_base: hash of the backbone before training changed it; None where it was not changed.
        backbone_changes: the changed weights, by their names in the backbone's state dict.
        int8: an int8 network of backbone and head, see `freeloc.posttraining.quantize`; None where none was made.
        int8_facts: how it was made.
        card: what people want to know of it; None where nobody wrote one.
        storage: how the file holds the weights; all arithmetic is in float32. "float16" halves the file and is for
            models that `rounded` made.
        calibration: how scores become probabilities, and a threshold per class; None leaves equation 2.
    """

    backbone: str
    backbone_fingerprint: str
    classes: tuple[str, ...]
    head: AdaptationHead
    scales: tuple[float, ...]
    padding: Padding = "stride"
    pooling: str = "max"
    threshold: float = 0.5
    box_threshold: float = DEFAULT_BOX_THRESHOLD
    layout: CellLayout | None = None
    pad_color: tuple[int, int, int] | None = None
    manifest: Mapping[str, Any] | None = None
    content: str | None = None
    backbone_base: str | None = None
    backbone_changes: Mapping[str, Tensor] = field(default_factory=dict)
    int8: QuantizedGraph | None = None
    int8_facts: Mapping[str, Any] | None = None
    card: ModelCard | None = None
    storage: Storage = "float32"
    calibration: Calibration | None = None

    def adapted(self, backbone: Backbone) -> Backbone:
        """The backbone this head works on: the given one where it was not changed, a changed copy otherwise.

        Args:
            backbone: the backbone as ``load_backbone`` gives it.

        Raises:
            FreelocError: training changed other weights than those at hand, or the changes are damaged.
        """
        if not self.backbone_changes or backbone.fingerprint == self.backbone_fingerprint:
            return backbone
        if backbone.fingerprint != self.backbone_base:
            raise FreelocError(
                f"the model was trained from other weights of backbone {self.backbone} than those at hand: "
                "give the same weights with --weights"
            )
        damaged = FreelocError(
            f"the model's changes do not fit backbone {self.backbone}: the file is damaged, train or copy it again"
        )
        try:
            changed = backbone.with_weights(self.backbone_changes)
        except ValueError as error:
            raise damaged from error
        if changed.fingerprint != self.backbone_fingerprint:
            raise damaged
        return changed

    def rounded(self, backbone: Backbone) -> Model:
        """The same model with weights of float16, which its file then holds as such: half of the room.

        A backbone that training changed is another one once its weights are rounded, and gets its own fingerprint.

        Args:
            backbone: the backbone as ``load_backbone`` gives it.

        Raises:
            FreelocError: a weight is beyond float16, or ``backbone`` is not the one that the model was trained on.
        """
        backbone = self.adapted(backbone)
        changes = {key: value.float() for key, value in _halved(self.backbone_changes).items()}
        head = copy.deepcopy(self.head)
        head.load_state_dict({key: value.float() for key, value in _halved(head.state_dict()).items()})
        return replace(
            self,
            head=head,
            backbone_changes=changes,
            backbone_fingerprint=backbone.with_weights(changes).fingerprint
            if changes
            else self.backbone_fingerprint,
            content=None,
            storage="float16",
        )

    def save(self, path: str | Path) -> None:
        """Write the model file, as a whole.

        Raises:
            FreelocError: a weight is no finite number, or none of ``storage``, or the place cannot be written to.
        """
        weights = self._stored()
        header: dict[str, Any] = {
            "format_version": HEAD_ALONE,
            "backbone": self.backbone,
            "backbone_fingerprint": self.backbone_fingerprint,
            "classes": list(self.classes),
            "head": asdict(self.head.settings),
            "scales": list(self.scales),
            "padding": self.padding,
            "pooling": self.pooling,
            "threshold": self.threshold,
            "box_threshold": self.box_threshold,
            "layout": None if self.layout is None else asdict(self.layout),
            "pad_color": self.pad_color,
            "manifest": dict(self.manifest or {}),
            "weights": _digest(weights),
        }
        if self.card is not None:
            header["card"] = asdict(self.card)
        if self.calibration is not None:
            header["calibration"] = self.calibration.as_json()
        if self.backbone_changes:
            header |= {"format_version": WITH_BACKBONE, "backbone_base": self.backbone_base}
        if self.int8 is not None:
            facts = {**(self.int8_facts or {}), "sha256": self.int8.digest()}
            header |= {"format_version": INT8_PRESETS, "backbone_base": self.backbone_base, "int8": facts}
        metadata = {"freeloc": json.dumps(header, sort_keys=True)}
        # Not safetensors' own writing: its file is for the owner alone, and its errors are no OSError.
        write_bytes(Path(path), as_bytes(weights, metadata=metadata))

    def _stored(self) -> dict[str, Tensor]:
        """All that the file holds as tensors, as it holds them."""
        weights = dict(self.head.state_dict())
        weights |= {f"{_BACKBONE}{key}": value for key, value in self.backbone_changes.items()}
        weights = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
        for key, value in weights.items():
            if not bool(value.isfinite().all()):
                raise FreelocError(
                    f"the model's {key} is no longer made of numbers: train with a lower --learning-rate"
                )
        if self.storage == "float16":
            halved = _halved(weights)
            if any(not torch.equal(halved[key].to(value.dtype), value) for key, value in weights.items()):
                raise FreelocError(
                    "the model's weights are not those of float16: save what Model.rounded gives"
                )
            weights = halved
        if self.int8 is not None:
            parts = (self.int8.structure, self.int8.weights)
            weights |= {
                key: torch.frombuffer(bytearray(part), dtype=torch.uint8)
                for key, part in zip(INT8, parts, strict=True)
            }
        return weights

    @classmethod
    def load(cls, model: str | Path) -> Model:
        """Read a model file.

        Args:
            model: the file, the run folder that holds it, or a name, see `freeloc.models.registry.find_model`.

        Raises:
            FreelocError: there is no such model, it is not a freeloc model, or a newer freeloc wrote it.
        """
        header = ModelHeader.read(model)
        weights = _weights(header.path)
        if header.weights is not None and header.weights != _digest(weights):
            raise FreelocError(
                f"model {header.path} is damaged (its weights are not those that were written): "
                "train or copy it again"
            )
        for name in INT8:
            weights.pop(name, None)
        half = any(value.dtype == torch.float16 for value in weights.values())
        weights = {key: value.float() if half else value for key, value in weights.items()}
        changes: dict[str, Tensor] = {}
        if header.backbone_base is not None:
            names = [key for key in weights if key.startswith(_BACKBONE)]
            changes = {key.removeprefix(_BACKBONE): weights.pop(key) for key in names}
        try:
            head = AdaptationHead(HeadSettings(**header.head))
            head.load_state_dict(weights)
        except (TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FreelocError(
                f"model {header.path} is damaged ({reason}): train or copy it again"
            ) from error
        return cls(
            backbone=header.backbone,
            backbone_fingerprint=header.backbone_fingerprint,
            classes=header.classes,
            head=head.eval(),
            scales=header.scales,
            padding=header.padding,
            pooling=header.pooling,
            threshold=header.threshold,
            box_threshold=header.box_threshold,
            layout=header.layout,
            pad_color=header.pad_color,
            manifest=header.manifest,
            content=header.content,
            backbone_base=header.backbone_base,
            backbone_changes=changes,
            int8=header.int8_graph(),
            int8_facts=header.int8,
            card=header.card,
            storage="float16" if half else "float32",
            calibration=header.calibration,
        )


def _halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in float16.

    Raises:
        FreelocError: one of them is too large for it.
    """
    halved = {key: value.to(torch.float16) for key, value in weights.items()}
    for key, value in halved.items():
        if not bool(value.isfinite().all()):
            raise FreelocError(f"the model's {key} is beyond float16: keep the model in float32")
    return halved


def _digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and bytes; a safetensors file has no check of its own."""
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode())
        digest.update(weights[key].numpy().tobytes())
    return digest.hexdigest()


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise FreelocError(f"model {path} cannot be read ({error}): train or copy it again") from error
