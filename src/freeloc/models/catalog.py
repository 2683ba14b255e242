"""List all named models with their headers, without reading weights or loading torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from freeloc.errors import FreelocError
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.registry import (
    NamedModel,
    Origin,
    find_model,
    model_name,
    named_models,
    origin_of,
)

__all__ = ["ListedModel", "list_models", "read_model"]


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A named model and its header.

    Attributes:
        name: the name under which the model is found.
        path: the model file.
        origin: "package" for models that are part of freeloc, "yours" for all others.
        header: the file's header; None if the file cannot be used.
        problem: why the file cannot be used; None if it can.
    """

    name: str
    path: Path
    origin: Origin
    header: ModelHeader | None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the model as JSON values, with the same keys for every model; unknown values are None."""
        header = self.header
        return {
            "name": self.name,
            "path": str(self.path),
            "origin": self.origin,
            "problem": self.problem,
            "backbone": header and header.backbone,
            "classes": header and list(header.classes),
            "calibrated": header and header.calibration is not None,
            "int8": header and header.int8 is not None,
            "card": header and header.card and asdict(header.card),
        }


def list_models() -> list[ListedModel]:
    """Return every named model with its header, sorted by name."""
    return [_read(model) for model in named_models()]


def read_model(model: str | Path) -> ListedModel:
    """Return one model with its header.

    Args:
        model: a model file, a run folder, or a name; see `freeloc.models.registry.find_model`.

    Raises:
        ModelError: the model does not exist, or its file is damaged.
    """
    file = ModelFile.open(find_model(model))
    return ListedModel(model_name(file.path), file.path, origin_of(file.path), file.header)


def _read(model: NamedModel) -> ListedModel:
    header, problem = None, None
    try:
        header = ModelFile.open(model.path).header
    except FreelocError as error:
        problem = str(error)
    return ListedModel(model.name, model.path, model.origin, header, problem)
