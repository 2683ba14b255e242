"""The origin of a result: the model, and how it was run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from freeloc._literals import LocationMode, Preset
from freeloc.inference.options import LocalizerOptions
from freeloc.io.versions import package_version
from freeloc.runtime import Network

__all__ = ["ModelIdentity", "Provenance"]


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model computed a result.

    Attributes:
        name: name of the model file or of its run folder; None for a model in memory without a name.
        version: version on the model's card; None if it states none.
        content_hash: SHA-256 of the model file; None for a model that was created or modified in memory.
    """

    name: str | None
    version: str | None
    content_hash: str | None

    def to_dict(self) -> dict[str, str | None]:
        """Return name, version and hash as JSON values."""
        return {"name": self.name, "version": self.version, "hash": self.content_hash}


@dataclass(frozen=True, slots=True)
class Provenance:
    """What determines the result for an image: the model, and how it was run.

    Attributes:
        model: the model.
        freeloc: version of freeloc.
        preset: the preset that was specified; None if there was none.
        scales: the scales at which images are scored.
        location: how points are located.
        runtime: the library that ran the network, "torch" or "openvino".
        precision: the arithmetic of the network, "float32", "bfloat16" or "int8"; never "auto".
        batch: maximum number of canvases that were run together.
    """

    model: ModelIdentity
    freeloc: str
    preset: Preset | None
    scales: tuple[float, ...]
    location: LocationMode
    runtime: str
    precision: str
    batch: int

    @classmethod
    def of(
        cls, model: ModelIdentity, options: LocalizerOptions, scales: tuple[float, ...], network: Network
    ) -> Provenance:
        """Return the provenance of the results of a localizer.

        Args:
            model: the model.
            options: how the model is run.
            scales: the scales at which images are scored.
            network: the compiled network.
        """
        return cls(
            model,
            package_version("freeloc"),
            options.preset,
            scales,
            options.location,
            network.runtime,
            network.precision,
            network.batch,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "model": self.model.to_dict(), "scales": list(self.scales)}
