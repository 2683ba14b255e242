"""Access to model files: errors, content hashes, and a check that a file is still the one that was loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError

from freeloc.errors import MissingModelError, ModelError, ResourceError
from freeloc.io.limits import resource_error
from freeloc.io.permissions import FORBIDDEN, is_forbidden
from freeloc.io.regular_file import broken_link, open_regular

__all__ = ["changed", "check_content", "check_is_file", "content_hash", "damaged", "unreadable"]


def check_is_file(path: Path) -> None:
    """Check that a path is a file.

    Raises:
        MissingModelError: the path does not exist.
        ModelError: the path is a folder, or this user must not see it.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a folder that must not be entered, or a name that is too long
        raise unreadable(path, error) from error
    if is_folder:
        raise ModelError(
            f"cannot load model {path}: the folder contains no model.safetensors; specify the folder of a "
            "finished training run",
            path=path,
        )
    if not is_file:
        reason = broken_link(path) or "the file does not exist"
        raise MissingModelError(
            f"cannot load model {path}: {reason}; specify a model file, a run folder, or the name of a model",
            path=path,
        )


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a whole file, as hexadecimal digits.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def check_content(path: Path, loaded: str | None) -> None:
    """Check that a file is still the one from which a model was loaded, before a result of that model is written.

    Args:
        path: the model file.
        loaded: content hash of the file from which the model was loaded.

    Raises:
        ModelError: the file has different content or was deleted.
    """
    if not path.is_file() or content_hash(path) != loaded:
        raise changed(path)


def changed(path: Path) -> ModelError:
    """Return the error for a file that is not the one that was opened."""
    return ModelError(
        f"model {path} was replaced, modified or deleted while it was in use: start again, so that everything is "
        "computed from the same model",
        path=path,
    )


def damaged(path: Path, reason: str) -> ModelError:
    """Return the error for a file whose content contradicts itself."""
    reason = " ".join(reason.split())
    return ModelError(f"model {path} is damaged: {reason}; copy or train it again", path=path)


def unreadable(path: Path, error: Exception) -> ModelError | ResourceError:
    """Return the error for a file that cannot be read.

    Args:
        path: the model file.
        error: what the system, safetensors or the JSON decoder raised. Only the system's words are quoted, because
            those of the libraries concern their own functions.
    """
    shortage = resource_error(error)
    if shortage is not None:
        return shortage
    # safetensors reports both a missing and a forbidden file as missing.
    if is_forbidden(path, error):
        return ModelError(f"cannot read model {path}: {FORBIDDEN}", path=path)
    if isinstance(error, FileNotFoundError):
        return MissingModelError(
            f"cannot read model {path}: the file does not exist; check its path", path=path
        )
    if isinstance(error, SafetensorError):
        reason = "it is not a safetensors file, or a part of it is missing"
    else:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return ModelError(f"cannot read model {path}: {reason}; copy or train it again", path=path)
