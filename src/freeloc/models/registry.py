"""Lookup of model files by name, such as ``voc20``.

Every function that accepts a model calls `find_model`. This module only handles names and paths;
`freeloc.models.header` reads the files, and `freeloc.models.catalog` lists the models with their headers.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from freeloc._log import get_logger
from freeloc._validation import check_arguments
from freeloc.errors import MissingModelError, ModelError, OutputError
from freeloc.io.folders import expand_user, model_search_path, user_models_dir
from freeloc.io.regular_file import special_kind

__all__ = [
    "NamedModel",
    "Origin",
    "find_model",
    "model_file",
    "model_folders",
    "model_name",
    "named_models",
    "origin_of",
    "pretrained_folder",
    "writable_path",
]

Origin = Literal["yours", "package"]
"""Origin of a named model: the user's folders, or the package."""

_log = get_logger(__name__)

_SUFFIX: Final = ".safetensors"
_FILE_IN_RUN_FOLDER: Final = "model.safetensors"
_MAX_LISTED: Final = 10
"""Maximum number of model names in an error message; ``freeloc models`` lists all of them."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model that `find_model` can find by name.

    Attributes:
        name: the name under which the model is found.
        path: the model file.
        origin: "package" for models that are part of freeloc, "yours" for all others.
    """

    name: str
    path: Path
    origin: Origin


@check_arguments
def find_model(model: str | Path) -> Path:
    """Return the file of a model.

    An existing file or folder takes precedence over a name, and a `Path` is never a name. Any other string without
    a path separator, a leading dot or the suffix ``.safetensors`` is a name, which is looked up in
    `model_folders`.

    Args:
        model: a model file, the run folder that contains it, or a name.

    Returns:
        The path of the model file. The file need not exist if ``model`` is a path.

    Raises:
        ConfigurationError: ``model`` is not a path or a name.
        MissingModelError: no model has that name.
        ModelError: a folder of that name in the current folder contains no model, or the path names a pipe, a
            socket or a device.
    """
    path = expand_user(model)
    kind = special_kind(path)
    if kind is not None:
        raise ModelError(
            f"cannot load model {path}: it is {kind}, not a file; specify a model file, a run folder, or a name",
            path=path,
        )
    if not _is_name(model):
        return model_file(path)
    if not os.path.lexists(path):
        return _find_by_name(str(model))
    file = model_file(path)
    if os.path.isdir(file):  # noqa: PTH112 - Path.is_dir raises an error for long names and forbidden folders
        _check_not_hidden(file)
    return file


def model_file(path: str | Path) -> Path:
    """Return the model file in a run folder, or any other path unchanged."""
    path = expand_user(path)
    inside = path / _FILE_IN_RUN_FOLDER
    return inside if os.path.isfile(inside) else path  # noqa: PTH113 - Path.is_file raises for forbidden folders


def model_name(file: Path) -> str:
    """Return the name of a model file: that of its run folder, or its own without ``.safetensors``."""
    if file.name == _FILE_IN_RUN_FOLDER:
        return file.absolute().parent.name
    return file.name.removesuffix(_SUFFIX)


def origin_of(file: Path) -> Origin:
    """Return the origin of a model file: "package" if it lies in the package's folder."""
    return "package" if file.parent == pretrained_folder() else "yours"


def named_models() -> tuple[NamedModel, ...]:
    """Return all named models, sorted by name; for each name, the model that `find_model` returns."""
    found: dict[str, NamedModel] = {}
    for folder, origin in model_folders():
        for name in _names_in(folder):
            file = _file_in(folder, name)
            if file is not None and name not in found:
                found[name] = NamedModel(name, file, origin)
    return tuple(found[name] for name in sorted(found))


def model_folders() -> tuple[tuple[Path, Origin], ...]:
    """Return the folders in which names are looked up, in order of precedence, with the origin of their models.

    These are the folders of `freeloc.io.folders.model_search_path`, followed by the package's own folder.
    """
    folders: list[tuple[Path, Origin]] = [(folder, "yours") for folder in model_search_path()]
    pretrained = pretrained_folder()
    if pretrained is not None:
        folders.append((pretrained, "package"))
    return tuple(folders)


def pretrained_folder() -> Path | None:
    """Return the folder of the package's models; None if the package is in an archive without file paths."""
    folder = files("freeloc") / "models" / "pretrained"
    return folder if isinstance(folder, Path) and folder.is_dir() else None


def writable_path(file: Path, change: str) -> Path:
    """Return the path to which a changed copy of a model is written.

    This is the model's own file, except for models of the package: other users may share them, and an update would
    overwrite them. Changed copies of these models are written to the user's folder, under another name, so that
    the name of the package's model still means that model.

    Args:
        file: the model file.
        change: the change, which becomes a part of the name: with "calibrated", ``voc20`` becomes
            ``voc20-calibrated``.

    Raises:
        OutputError: the model belongs to the package, and the user has no home folder.
    """
    pretrained = pretrained_folder()
    if pretrained is not None and file.is_relative_to(pretrained):
        folder = user_models_dir()
        if folder is None:
            raise OutputError(
                f"cannot write a changed copy of the model {file}: there is no home folder; specify another path",
                path=file,
            )
        inside = file.relative_to(pretrained)
        name = inside.parent if inside.name == _FILE_IN_RUN_FOLDER else inside.with_suffix("")
        return folder / f"{name}-{change}{_SUFFIX}"
    return file


def _is_name(model: str | Path) -> bool:
    return (
        isinstance(model, str)
        and model == Path(model).name
        and not model.startswith(".")
        and not model.endswith(_SUFFIX)
    )


def _file_in(folder: Path, name: str) -> Path | None:
    for file in (folder / f"{name}{_SUFFIX}", folder / name / _FILE_IN_RUN_FOLDER):
        if os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises an error for long names
            return file
    return None


def _names_in(folder: Path) -> Iterator[str]:
    try:
        entries = os.listdir(folder)  # noqa: PTH208 - only the names are needed
    except OSError:  # the folder is missing or not readable
        return
    for entry in entries:
        if not entry.startswith("."):
            yield entry.removesuffix(_SUFFIX)


def _find_by_name(name: str) -> Path:
    for folder, origin in model_folders():
        file = _file_in(folder, name)
        if file is not None:
            if origin == "yours":
                _warn_of_namesake(name, file)
            return file
    known = [model.name for model in named_models()]
    # Names are compared ignoring case, because VOC20 and voc20 have only two characters in common.
    folded = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    suggestion = f" (did you mean {folded[near[0]]}?)" if near else ""
    more = ", … (list_models returns all)" if len(known) > _MAX_LISTED else ""
    choices = f", or one of {', '.join(known[:_MAX_LISTED])}{more}" if known else ""
    own = user_models_dir()
    where = "" if own is None else f"{own} and in "
    raise MissingModelError(
        f"no model is named {name!r}{suggestion}: specify a model file or a run folder{choices}; "
        f"models in {where}the folders listed in FREELOC_MODELS are found by name"
    )


@cache
def _warn_of_namesake(name: str, file: Path) -> None:
    """Log once that a model of the user is used instead of the package's model of the same name."""
    shipped = pretrained_folder()
    if shipped is not None and _file_in(shipped, name) is not None:
        _log.warning("%s is your model %s, not the model of that name that ships with freeloc", name, file)


def _check_not_hidden(folder: Path) -> None:
    """Raise an error if ``folder``, which contains no model, has the name of a model."""
    for parent, _origin in model_folders():
        file = _file_in(parent, folder.name)
        if file is not None:
            raise ModelError(
                f"cannot load model {folder}: the current folder contains a folder of that name without "
                f"model.safetensors; specify the folder of a finished training run, or {file} for the named model",
                path=folder,
            )
