"""The setup of a run: everything that determines its final weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, NamedTuple

from freeloc._literals import CacheFormat
from freeloc.datasets.tag_rules import TagRules
from freeloc.io.typed_json import convert_json
from freeloc.training.recipe import Recipe

__all__ = ["Difference", "RunSetup"]


_ADDED_FIELDS: Final[Mapping[str, Any]] = {"resize": "once", "missing_tags": "none"}
"""What the recipe of a run did before these fields existed, so that the run can be resumed."""


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
        draw_scales: whether the cached features are those of drawn scales; without a cache, scales are always
            drawn.
        validation: hash of the labels and image files of the validation images; None without any.
        patience: `TrainingSettings.patience`; None without validation images.
        tag_rules: `freeloc.datasets.tag_rules.TagRules` as plain JSON; None if every tag is a class.
    """

    recipe: dict[str, Any]
    data: str
    backbone: str
    precision: str
    training_precision: str
    seed: int
    cache: CacheFormat | None
    draw_scales: bool = False
    validation: str | None = None
    patience: int | None = None
    tag_rules: dict[str, Any] | None = None

    @staticmethod
    def plain_recipe(recipe: Recipe) -> dict[str, Any]:
        """Return the fields of a recipe as plain JSON data."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
        return plain

    def to_dict(self) -> dict[str, Any]:
        """Return the setup as plain JSON data, without what the run does not have.

        These are validation images, drawn scales and rules for tags.
        """
        values = asdict(self)
        if not self.draw_scales:
            del values["draw_scales"]
        if self.validation is None:
            del values["validation"], values["patience"]
        if self.tag_rules is None:
            del values["tag_rules"]
        return values

    @classmethod
    def from_json(cls, values: object) -> RunSetup:
        """Create a setup from the output of `to_dict`.

        Raises:
            ValueError: a value is missing or has the wrong type.
        """
        return convert_json(values, cls).completed()

    def completed(self) -> RunSetup:
        """Return the setup with the fields of recipes that did not exist when it was written."""
        return replace(self, recipe={**_ADDED_FIELDS, **self.recipe})

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

    @property
    def _features(self) -> tuple[CacheFormat, bool]:
        """The format of features, and whether scales are drawn; without a cache, as with one of drawn scales."""
        return ("float16", True) if self.cache is None else (self.cache, self.draw_scales)

    def differences(self, other: RunSetup) -> list[Difference]:
        """Return everything in which another setup differs and that changes the model, in the order of the fields.

        The fields of a recipe are compared one by one, so that each difference names the setting to change.
        Whether the features of drawn scales are stored is no difference.
        """
        found = []
        same_features = self._features == other._features
        # Other rules for tags are the reason for other data.
        for field in sorted(fields(self), key=lambda field: field.name != "tag_rules"):
            here, there = getattr(self, field.name), getattr(other, field.name)
            if field.name in {"cache", "draw_scales"} and same_features:
                continue
            if field.name == "recipe":
                found += _compare(here, there)
            elif field.name == "tag_rules" and here != there:
                default = TagRules().to_dict()
                found += _compare(here or default, there or default)
            elif here != there:
                found.append(_difference(field.name, here, there))
        return found


class Difference(NamedTuple):
    """A difference between two setups.

    Attributes:
        parameter: the parameter of `freeloc.training.train.train` that causes it.
        text: what differs, with both values where they mean something to the user.
    """

    parameter: str | None
    text: str


_HASHES: Final = {
    "data": "the data (the images, their tags, or the classes)",
    "backbone": "the backbone or its weights",
    "validation": "the validation images or their tags",
}
"""Descriptions of fields whose values are hashes."""


def _compare(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[Difference]:
    """Return the differences between two recipes or rules; without a name, which only sums up other fields."""
    changed = [name for name in (*here, *(there.keys() - here.keys())) if here.get(name) != there.get(name)]
    names = [name for name in changed if name != "name"] or changed
    return [
        Difference(name, "the aliases")
        if name == "aliases"
        else Difference(
            "recipe" if name == "name" else name, _describe(name, here.get(name), there.get(name))
        )
        for name in names
    ]


def _difference(name: str, here: object, there: object) -> Difference:
    """Return the difference in one field other than the recipe."""
    if name in _HASHES:
        return Difference("val" if name == "validation" else name, _HASHES[name])
    if name == "cache":
        if here is None or there is None:
            return Difference(
                "cache_features", _describe("cache_features", here is not None, there is not None)
            )
        return Difference("cache_format", _describe("cache_format", here, there))
    if name == "precision":
        other_runtime = str(here).split()[0] != str(there).split()[0]
        return Difference(
            "runtime" if other_runtime else "precision", _describe("runtime and precision", here, there)
        )
    if name == "training_precision":
        return Difference("precision", _describe("the arithmetic of the head", here, there))
    return Difference(name, _describe(name, here, there))


def _describe(name: str, here: object, there: object) -> str:
    return f"{name} ({_plain(there)}, now {_plain(here)})"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
