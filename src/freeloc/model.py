"""The model file: one ``.safetensors`` with the head's weights and, in its metadata, all that belongs to them.

No pickle is ever read. The trunk's weights stay where they come from; the file names the trunk and the hash of
its weights, and a head is refused on any other. Where training changed some of the trunk's weights, the file holds
those as well, beside the hashes of the trunk before and after.
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

from freeloc.atomic import write_bytes
from freeloc.calibration import Calibration
from freeloc.errors import FreelocError
from freeloc.extents import LEVEL
from freeloc.geometry import CellLayout, Padding
from freeloc.heads import AdaptationHead, HeadSettings
from freeloc.modelfile import HEAD_ALONE, INT8, WITH_INT8, WITH_TRUNK, ModelCard, ModelHeader
from freeloc.poolings import Pooling
from freeloc.runtime import QuantizedGraph
from freeloc.trunks.base import Trunk

__all__ = ["Model", "Storage"]

Storage: TypeAlias = Literal["float32", "float16"]
"""How a model file holds weights."""

_TRUNK = "trunk."
"""Before the names of the trunk's weights in the file."""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained head and what is needed to use it.

    Attributes:
        trunk: name of the trunk it was trained on.
        trunk_fingerprint: hash of that trunk's name and weights, changed ones included.
        classes: the K class names.
        head: the adaptation layers.
        scales: the scales a photograph is looked at by default.
        padding: how canvases are padded.
        pooling: how a map becomes a score, see `freeloc.poolings`.
        threshold: probability from which a class counts as present, where ``calibration`` has none for each class.
        level: share of a map's highest value at which boxes are drawn best, see `freeloc.extents`.
        layout: how the trunk lays its cells, so that it need not be asked.
        fill: RGB colour of canvas padding, likewise.
        manifest: how it was trained.
        content: hash of the file it was read from; None for one that was made here.
        trunk_base: hash of the trunk before training changed it; None where it was not changed.
        trunk_changes: the changed weights, by their names in the trunk's state dict.
        int8: an int8 network of trunk and head, see `freeloc.quantization`; None where none was made.
        int8_facts: how it was made.
        card: what people want to know of it; None where nobody wrote one.
        storage: how the file holds the weights; all arithmetic is in float32. "float16" halves the file and is for
            models that `rounded` made.
        calibration: how scores become probabilities, and a threshold per class; None leaves equation 2.
    """

    trunk: str
    trunk_fingerprint: str
    classes: tuple[str, ...]
    head: AdaptationHead
    scales: tuple[float, ...]
    padding: Padding = "stride"
    pooling: Pooling = "max"
    threshold: float = 0.5
    level: float = LEVEL
    layout: CellLayout | None = None
    fill: tuple[int, int, int] | None = None
    manifest: Mapping[str, Any] | None = None
    content: str | None = None
    trunk_base: str | None = None
    trunk_changes: Mapping[str, Tensor] = field(default_factory=dict)
    int8: QuantizedGraph | None = None
    int8_facts: Mapping[str, Any] | None = None
    card: ModelCard | None = None
    storage: Storage = "float32"
    calibration: Calibration | None = None

    def adapted(self, trunk: Trunk) -> Trunk:
        """The trunk this head works on: the given one where it was not changed, a changed copy otherwise.

        Args:
            trunk: the trunk as ``load_trunk`` gives it.

        Raises:
            FreelocError: training changed other weights than those at hand, or the changes are damaged.
        """
        if not self.trunk_changes or trunk.fingerprint == self.trunk_fingerprint:
            return trunk
        if trunk.fingerprint != self.trunk_base:
            raise FreelocError(
                f"the model was trained from other weights of trunk {self.trunk} than those at hand: "
                "give the same weights with --weights"
            )
        damaged = FreelocError(
            f"the model's changes do not fit trunk {self.trunk}: the file is damaged, train or copy it again"
        )
        try:
            changed = trunk.with_weights(self.trunk_changes)
        except ValueError as error:
            raise damaged from error
        if changed.fingerprint != self.trunk_fingerprint:
            raise damaged
        return changed

    def rounded(self, trunk: Trunk) -> Model:
        """The same model with weights of float16, which its file then holds as such: half of the room.

        A trunk that training changed is another one once its weights are rounded, and gets its own fingerprint.

        Args:
            trunk: the trunk as ``load_trunk`` gives it.

        Raises:
            FreelocError: a weight is beyond float16, or ``trunk`` is not the one that the model was trained on.
        """
        trunk = self.adapted(trunk)
        changes = {key: value.float() for key, value in _halved(self.trunk_changes).items()}
        head = copy.deepcopy(self.head)
        head.load_state_dict({key: value.float() for key, value in _halved(head.state_dict()).items()})
        return replace(
            self,
            head=head,
            trunk_changes=changes,
            trunk_fingerprint=trunk.with_weights(changes).fingerprint if changes else self.trunk_fingerprint,
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
            "trunk": self.trunk,
            "trunk_fingerprint": self.trunk_fingerprint,
            "classes": list(self.classes),
            "head": asdict(self.head.settings),
            "scales": list(self.scales),
            "padding": self.padding,
            "pooling": self.pooling,
            "threshold": self.threshold,
            "level": self.level,
            "layout": None if self.layout is None else asdict(self.layout),
            "fill": self.fill,
            "manifest": dict(self.manifest or {}),
            "weights": _digest(weights),
        }
        if self.card is not None:
            header["card"] = asdict(self.card)
        if self.calibration is not None:
            header["calibration"] = self.calibration.as_json()
        if self.trunk_changes:
            header |= {"format_version": WITH_TRUNK, "trunk_base": self.trunk_base}
        if self.int8 is not None:
            facts = {**(self.int8_facts or {}), "sha256": self.int8.digest()}
            header |= {"format_version": WITH_INT8, "trunk_base": self.trunk_base, "int8": facts}
        metadata = {"freeloc": json.dumps(header, sort_keys=True)}
        # Not safetensors' own writing: its file is for the owner alone, and its errors are no OSError.
        write_bytes(Path(path), as_bytes(weights, metadata=metadata))

    def _stored(self) -> dict[str, Tensor]:
        """All that the file holds as tensors, as it holds them."""
        weights = dict(self.head.state_dict())
        weights |= {f"{_TRUNK}{key}": value for key, value in self.trunk_changes.items()}
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
            model: the file, the run folder that holds it, or a name, see `freeloc.registry.find_model`.

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
        if header.trunk_base is not None:
            names = [key for key in weights if key.startswith(_TRUNK)]
            changes = {key.removeprefix(_TRUNK): weights.pop(key) for key in names}
        try:
            head = AdaptationHead(HeadSettings(**header.head))
            head.load_state_dict(weights)
        except (TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FreelocError(
                f"model {header.path} is damaged ({reason}): train or copy it again"
            ) from error
        return cls(
            trunk=header.trunk,
            trunk_fingerprint=header.trunk_fingerprint,
            classes=header.classes,
            head=head.eval(),
            scales=header.scales,
            padding=header.padding,
            pooling=header.pooling,
            threshold=header.threshold,
            level=header.level,
            layout=header.layout,
            fill=header.fill,
            manifest=header.manifest,
            content=header.content,
            trunk_base=header.trunk_base,
            trunk_changes=changes,
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
