"""The model file: one ``.safetensors`` with the head's weights and, in its metadata, all that belongs to them.

No pickle is ever read. The trunk's weights stay where they come from; the file names the trunk and the hash of
its weights, and a head is refused on any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from freeloc.atomic import write_bytes
from freeloc.errors import FreelocError
from freeloc.geometry import Padding
from freeloc.heads import AdaptationHead, HeadSettings

__all__ = ["FORMAT_VERSION", "Model", "Pooling"]

FORMAT_VERSION = 1

Pooling = Literal["max", "average"]


@dataclass(frozen=True, eq=False)
class Model:
    """A trained head and what is needed to use it.

    Attributes:
        trunk: name of the trunk it was trained on.
        trunk_fingerprint: hash of that trunk's name and weights.
        classes: the K class names.
        head: the adaptation layers.
        scales: the scales a photograph is looked at by default.
        padding: how canvases are padded.
        pooling: how a map becomes a score: "max", or "average" for class activation maps.
        threshold: probability from which a class counts as present.
        manifest: how it was trained.
    """

    trunk: str
    trunk_fingerprint: str
    classes: tuple[str, ...]
    head: AdaptationHead
    scales: tuple[float, ...]
    padding: Padding = "stride"
    pooling: Pooling = "max"
    threshold: float = 0.5
    manifest: Mapping[str, Any] | None = None

    def save(self, path: str | Path) -> None:
        """Write the model file, as a whole.

        Raises:
            FreelocError: the place cannot be written to.
        """
        header = {
            "format_version": FORMAT_VERSION,
            "trunk": self.trunk,
            "trunk_fingerprint": self.trunk_fingerprint,
            "classes": list(self.classes),
            "head": asdict(self.head.settings),
            "scales": list(self.scales),
            "padding": self.padding,
            "pooling": self.pooling,
            "threshold": self.threshold,
            "manifest": dict(self.manifest or {}),
        }
        weights = {key: value.detach().cpu().contiguous() for key, value in self.head.state_dict().items()}
        metadata = {"freeloc": json.dumps(header, sort_keys=True)}
        # Not safetensors' own writing: its file is for the owner alone, and its errors are no OSError.
        write_bytes(Path(path), as_bytes(weights, metadata=metadata))

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a model file.

        Raises:
            FreelocError: there is no such file, it is not a freeloc model, or a newer freeloc wrote it.
        """
        path = Path(path)
        if path.is_dir() and (path / "model.safetensors").is_file():
            path /= "model.safetensors"
        header, weights = _read(path)
        version = header.get("format_version")
        if version != FORMAT_VERSION:
            raise FreelocError(
                f"model {path} has format version {version}, this freeloc reads {FORMAT_VERSION}: update freeloc"
            )
        try:
            head = AdaptationHead(HeadSettings(**header["head"]))
            head.load_state_dict(weights)
            return cls(
                trunk=header["trunk"],
                trunk_fingerprint=header["trunk_fingerprint"],
                classes=tuple(header["classes"]),
                head=head.eval(),
                scales=tuple(header["scales"]),
                padding=header["padding"],
                pooling=header["pooling"],
                threshold=header["threshold"],
                manifest=header["manifest"],
            )
        except (KeyError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FreelocError(f"model {path} is damaged ({reason}): train or copy it again") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise FreelocError(f"model {path} does not exist: give a .safetensors file that freeloc train wrote")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("freeloc", "null"))
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise FreelocError(f"model {path} cannot be read ({error}): train or copy it again") from error
    if not isinstance(header, dict):
        raise FreelocError(
            f"{path} is a safetensors file but not a freeloc model: give one from freeloc train"
        )
    return header, weights
