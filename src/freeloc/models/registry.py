"""Models by name: where the file of ``voc20`` lies, whether freeloc came with it or the user put it there.

Everything that takes a model goes through `find_model`. Only names and places are known here; what a file says of
itself is `freeloc.models.header`'s business, and a list of all with what they say is `freeloc.models.catalog`'s.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from freeloc.errors import FreelocError
from freeloc.io.folders import model_search_path, user_models_dir

__all__ = [
    "NamedModel",
    "Origin",
    "find_model",
    "model_file",
    "model_folders",
    "named_models",
    "package_folder",
    "place_to_write",
]

Origin = Literal["yours", "package"]
"""Who put a named model there."""

_SUFFIX: Final = ".safetensors"
_IN_FOLDER: Final = "model.safetensors"
_MENTIONED: Final = 10
"""An error names so many models at most; ``freeloc models`` lists all."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model that has a name.

    Attributes:
        name: what the user says.
        path: the file.
        origin: "package" for those that come with freeloc, "yours" for all others.
    """

    name: str
    path: Path
    origin: Origin


def find_model(model: str | Path) -> Path:
    """The file that a model argument means.

    An existing file or folder is always meant itself, and a `Path` is always a path. Any other string without a
    separator and without ``.safetensors`` at its end is a name, looked up in `model_folders`.

    Args:
        model: a model file, the run folder that holds it, or a name.

    Returns:
        The file. Where a path was given it need not exist.

    Raises:
        FreelocError: there is no model of that name, or only a folder of that name that holds no model.
    """
    path = Path(model)
    if not _is_name(model):
        return model_file(path)
    if not os.path.lexists(path):
        return _named(str(model))
    file = model_file(path)
    if os.path.isdir(file):  # noqa: PTH112 - Path.is_dir raises for names too long and forbidden places
        _refuse_folder(file)
    return file


def model_file(path: str | Path) -> Path:
    """The model file of a run folder; any other path as it is."""
    path = Path(path)
    inside = path / _IN_FOLDER
    return inside if path.is_dir() and inside.is_file() else path


def named_models() -> tuple[NamedModel, ...]:
    """All models that have names, by name; of several with the same name, the one that `find_model` finds."""
    found: dict[str, NamedModel] = {}
    for folder, origin in model_folders():
        for name in _names_in(folder):
            file = _file_in(folder, name)
            if file is not None and name not in found:
                found[name] = NamedModel(name, file, origin)
    return tuple(found[name] for name in sorted(found))


def model_folders() -> tuple[tuple[Path, Origin], ...]:
    """Where names are looked up, first to last: ``FREELOC_MODELS``, the user's own folder, the package."""
    places: list[tuple[Path, Origin]] = [(folder, "yours") for folder in model_search_path()]
    shipped = package_folder()
    if shipped is not None:
        places.append((shipped, "package"))
    return tuple(places)


def package_folder() -> Path | None:
    """The models that come with freeloc; None where the package lies in an archive, whose files have no path."""
    folder = files("freeloc") / "models" / "pretrained"
    return folder if isinstance(folder, Path) and folder.is_dir() else None


def place_to_write(file: Path) -> Path:
    """Where a changed model belongs: its own file, or the user's folder for one that comes with freeloc.

    The package's files are never written to: others may use them, and an update would undo the change. In the
    user's folder, the changed one is found first.
    """
    shipped = package_folder()
    if shipped is not None and file.is_relative_to(shipped):
        return user_models_dir() / file.relative_to(shipped)
    return file


def _is_name(model: str | Path) -> bool:
    return (
        isinstance(model, str)
        and model == Path(model).name
        and not model.startswith(".")
        and not model.endswith(_SUFFIX)
    )


def _file_in(folder: Path, name: str) -> Path | None:
    for file in (folder / f"{name}{_SUFFIX}", folder / name / _IN_FOLDER):
        if os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises for names too long and forbidden places
            return file
    return None


def _names_in(folder: Path) -> Iterator[str]:
    try:
        entries = os.listdir(folder)  # noqa: PTH208 - names are all that is wanted
    except OSError:  # missing, or not for this user
        return
    for entry in entries:
        if not entry.startswith("."):
            yield entry.removesuffix(_SUFFIX)


def _named(name: str) -> Path:
    for folder, _origin in model_folders():
        file = _file_in(folder, name)
        if file is not None:
            return file
    known = [model.name for model in named_models()]
    # Compared without case, for VOC20 and voc20 share but two characters.
    folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    meant = f" (did you mean {folded[near[0]]}?)" if near else ""
    more = ", … (freeloc models lists all)" if len(known) > _MENTIONED else ""
    choice = f", or one of {', '.join(known[:_MENTIONED])}{more}" if known else ""
    raise FreelocError(
        f"there is no model {name!r}{meant}: give a model file or a run folder{choice}; "
        f"models of your own get names in {user_models_dir()} or the folders of FREELOC_MODELS"
    )


def _refuse_folder(folder: Path) -> None:
    """Say how to reach the named model that a folder without one hides; without such a model, nothing."""
    for place, _origin in model_folders():
        file = _file_in(place, folder.name)
        if file is not None:
            raise FreelocError(
                f"{folder} is a folder here that holds no model.safetensors: give a run folder that freeloc train "
                f"finished, or for the model of that name {file}"
            )
