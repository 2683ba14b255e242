"""The setup of a run: everything that determines its final weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec

from freeloc._literals import CacheFormat
from freeloc.training.recipe import Recipe

__all__ = ["RunSetup"]


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Everything, except the type of machine, that determines the final weights.

    Attributes:
        recipe: fields of the recipe, as plain JSON.
        data: hash of the classes, file names, labels and image files.
        backbone: fingerprint of the backbone before training.
        precision: runtime and arithmetic of the backbone, such as "openvino bfloat16".
        training_precision: arithmetic of the head, "bfloat16" or "float32".
        seed: random seed of the run.
        cache: format of cached features; None if features are not cached.
        validation: hash of the labels and image files of the validation images; None without any.
        patience: number of epochs without improvement after which training stops; None without validation images.
    """

    recipe: dict[str, Any]
    data: str
    backbone: str
    precision: str
    training_precision: str
    seed: int
    cache: CacheFormat | None
    validation: str | None = None
    patience: int | None = None

    @staticmethod
    def plain_recipe(recipe: Recipe) -> dict[str, Any]:
        """Return the fields of a recipe as plain JSON data."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
        return plain

    def as_json(self) -> dict[str, Any]:
        """Return the setup as plain JSON data; without validation images, it does not mention them."""
        values = asdict(self)
        if self.validation is None:
            del values["validation"], values["patience"]
        return values

    @classmethod
    def from_json(cls, values: object) -> RunSetup:
        """Create a setup from the output of `as_json`.

        Raises:
            ValueError: a value is missing or has the wrong type.
        """
        return msgspec.convert(values, cls)

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> RunSetup | None:
        """Return the setup of the run described by a manifest; None if the manifest is incomplete."""
        fingerprints = {
            key: value.get("fingerprint") if isinstance(value, Mapping) else None
            for key, value in manifest.items()
            if key in {"data", "validation"}
        }
        try:
            return cls.from_json({**manifest, **fingerprints})
        except ValueError:
            return None

    def differences(self, other: RunSetup) -> list[str]:
        """Return the sorted names of the fields in which two setups differ."""
        names = (field.name for field in fields(self))
        return sorted(name for name in names if getattr(self, name) != getattr(other, name))
