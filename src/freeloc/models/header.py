"""What a model file says of itself, read without torch: all that using a model needs beside its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from freeloc.errors import FreelocError, ModelError, check_choice
from freeloc.geometry.grid import CellLayout, Padding
from freeloc.geometry.pyramid import Pyramid
from freeloc.models.calibration import Calibration
from freeloc.models.registry import find_model
from freeloc.nn.pooling.registry import POOLINGS
from freeloc.runtime import QuantizedGraph

__all__ = [
    "DEFAULT_BOX_THRESHOLD",
    "HEAD_ALONE",
    "INT8",
    "INT8_PRESETS",
    "WITH_BACKBONE",
    "ModelCard",
    "ModelHeader",
]

DEFAULT_BOX_THRESHOLD = 0.3
"""Share of a map's maximum at which boxes are drawn, for models whose training tags do not set their own."""

HEAD_ALONE, WITH_BACKBONE, INT8_PRESETS = 1, 2, 3
"""Format versions: a file of version 1 holds a head; one of version 2 also the weights of the backbone
that training
changed; one of version 3 an int8 network, and such weights where there are any."""

INT8 = ("int8.structure", "int8.weights")
"""Names of the int8 network's two parts in the file, uint8 vectors."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What people want to know of a model that they did not train themselves.

    Attributes:
        name: what its maker calls it; the name that finds it is that of its file.
        version: of the model, in the maker's own counting.
        description: one line: what it finds, and what it was trained on.
        data_licence: under which terms the images it was trained on may be used.
    """

    name: str
    version: str = ""
    description: str = ""
    data_licence: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not isinstance(getattr(self, field.name), str):
                raise FreelocError(f"{field.name} of the model's card is no text: give a string")

    @classmethod
    def from_json(cls, values: Any) -> ModelCard:
        """The card in a file's metadata; what later versions of freeloc may add there is passed over."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in dict(values).items() if key in known})


@dataclass(frozen=True, eq=False)
class ModelHeader:
    """The metadata of a model file.

    Attributes:
        path: the file.
        content: hash of all its bytes; empty where it was not asked for.
        backbone: name of the backbone the head was trained on.
        backbone_fingerprint: hash of that backbone's name and weights, changed ones included.
        backbone_base: the same hash before training changed the backbone; None where it did not.
        classes: the K class names.
        scales: the scales an image is looked at by default.
        padding: how canvases are padded.
        pooling: how a map becomes a score, see `freeloc.nn.pooling.registry.POOLINGS`.
        threshold: probability from which a class counts as present, where ``calibration`` has none for each class.
        layout: how the backbone lays its cells; None in files of freeloc 0.1, whose backbone has to be asked.
        pad_color: RGB colour of canvas padding; likewise.
        head: settings of the head, as `freeloc.nn.head.HeadSettings` takes them.
        manifest: how the model was trained.
        weights: hash of the weights; None in files of freeloc 0.1, which do not tell it.
        int8: how the int8 network that lies beside the head was made; None where there is none.
        calibration: how scores become probabilities, and a threshold per class; None where nothing was fitted.
        card: what people want to know of it; None in files that nobody gave one.
        box_threshold: share of a map's highest value at which boxes are drawn best;
        `freeloc.inference.boxes.LEVEL` in files that
            do not tell it.
    """

    path: Path
    content: str
    backbone: str
    backbone_fingerprint: str
    backbone_base: str | None
    classes: tuple[str, ...]
    scales: tuple[float, ...]
    padding: Padding
    pooling: str
    threshold: float
    layout: CellLayout | None
    pad_color: tuple[int, int, int] | None
    head: Mapping[str, Any]
    manifest: Mapping[str, Any]
    weights: str | None = None
    int8: Mapping[str, Any] | None = None
    calibration: Calibration | None = None
    card: ModelCard | None = None
    box_threshold: float = DEFAULT_BOX_THRESHOLD

    @classmethod
    def read(cls, model: str | Path, *, hashed: bool = True) -> ModelHeader:
        """Read the header of a model file.

        Args:
            model: the file, the run folder that holds it, or a name, see `freeloc.models.registry.find_model`.
            hashed: read the whole file for ``content``; what merely lists models does without.

        Raises:
            FreelocError: there is no such model, it is not a freeloc model, or a newer freeloc wrote it.
        """
        path = find_model(model)
        header = _metadata(path)
        version = header.get("format_version")
        if version not in (HEAD_ALONE, WITH_BACKBONE, INT8_PRESETS):
            raise FreelocError(
                f"model {path} has format version {version}, this freeloc reads {HEAD_ALONE} to {INT8_PRESETS}: "
                "update freeloc"
            )
        pooling = header.get("pooling")
        if isinstance(pooling, str) and pooling not in POOLINGS.names():
            raise ModelError(
                f"model {path} uses the pooling {pooling!r}, which is not available: install the package that "
                "provides it, or update freeloc",
                path=path,
            )
        try:
            layout, pad_color = header.get("layout"), header.get("pad_color")
            check_choice("padding", header["padding"], Padding)
            if not isinstance(pooling, str):
                raise TypeError(f"pooling is {pooling!r}")  # noqa: TRY301 - every damage has one message
            return cls(
                path=path,
                content=_content(path) if hashed else "",
                backbone=header["backbone"],
                backbone_fingerprint=header["backbone_fingerprint"],
                backbone_base=header["backbone_base"] if version >= WITH_BACKBONE else None,
                classes=tuple(header["classes"]),
                scales=_scales(header["scales"]),
                padding=header["padding"],
                pooling=pooling,
                threshold=_share(header["threshold"]),
                layout=None if layout is None else CellLayout(**layout),
                pad_color=None
                if pad_color is None
                else (int(pad_color[0]), int(pad_color[1]), int(pad_color[2])),
                head=header["head"],
                manifest=header["manifest"],
                weights=header.get("weights"),
                int8=dict(header["int8"]) if version >= INT8_PRESETS else None,
                calibration=_calibration(header.get("calibration"), len(header["classes"])),
                card=None if header.get("card") is None else ModelCard.from_json(header["card"]),
                box_threshold=_share(header.get("box_threshold", DEFAULT_BOX_THRESHOLD)),
            )
        except (KeyError, TypeError, IndexError, ValueError, FreelocError) as error:
            reason = " ".join(str(error).split())
            raise FreelocError(f"model {path} is damaged ({reason}): train or copy it again") from error

    def int8_graph(self) -> QuantizedGraph | None:
        """The int8 network, without torch; None where the file holds none.

        Raises:
            FreelocError: the file is damaged.
        """
        if self.int8 is None:
            return None
        try:
            with safe_open(self.path, framework="np") as file:
                graph = QuantizedGraph(*(file.get_tensor(name).tobytes() for name in INT8))
        except (OSError, SafetensorError) as error:
            raise FreelocError(f"model {self.path} cannot be read ({error}): copy it again") from error
        if graph.digest() != self.int8.get("sha256"):
            raise FreelocError(
                f"model {self.path} is damaged (its int8 network is not the one that was written): copy it again, "
                "or make it anew with freeloc quantize"
            )
        return graph


def _scales(values: Any) -> tuple[float, ...]:
    scales = tuple(float(value) for value in values)
    Pyramid(scales)  # refuses scales that are none
    return scales


def _calibration(values: Any, classes: int) -> Calibration | None:
    return None if values is None else Calibration.from_json(values, classes)


def _share(value: Any) -> float:
    if not 0 <= float(value) <= 1:
        raise ValueError(f"{value} is not between 0 and 1")
    return float(value)


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _metadata(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise FreelocError(
            f"{path} holds no model.safetensors: give a run folder that freeloc train finished"
        )
    if not path.is_file():
        raise FreelocError(f"model {path} does not exist: give a .safetensors file that freeloc train wrote")
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {}).get("freeloc", "null"))
    except (OSError, SafetensorError, ValueError) as error:
        raise FreelocError(f"model {path} cannot be read ({error}): train or copy it again") from error
    if not isinstance(header, dict):
        raise FreelocError(
            f"{path} is a safetensors file but not a freeloc model: give one from freeloc train"
        )
    return header
