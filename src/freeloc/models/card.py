"""Model cards, which describe a model to its users."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from msgspec import Meta

from freeloc.errors import ConfigurationError

__all__ = ["ModelCard"]

_MAX_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Description of a model for its users.

    Attributes:
        name: name of the model; `freeloc.find_model` uses the file's name instead.
        version: version of the model.
        description: one line that says what the model localizes and on which data it was trained.
        data_licence: license or terms of use of the training images.

    Raises:
        ConfigurationError: a field is not a string, or is longer than 10,000 characters.
    """

    name: Annotated[str, Meta(max_length=_MAX_CHARACTERS)]
    version: Annotated[str, Meta(max_length=_MAX_CHARACTERS)] = ""
    description: Annotated[str, Meta(max_length=_MAX_CHARACTERS)] = ""
    data_licence: Annotated[str, Meta(max_length=_MAX_CHARACTERS)] = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
                raise ConfigurationError(
                    f"{field.name} of a model card must be a string of at most {_MAX_CHARACTERS:,} characters",
                    parameter=field.name,
                )
