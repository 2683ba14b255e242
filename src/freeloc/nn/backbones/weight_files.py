"""Weight files: downloading with a hash check, and loading without executing pickled code."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlparse

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from freeloc.errors import BackboneError, MissingWeightsError
from freeloc.io.library_warnings import silence_warnings
from freeloc.io.limits import check_resources
from freeloc.io.paths import why_not_a_file
from freeloc.io.permissions import FORBIDDEN, is_forbidden
from freeloc.io.progress import pluralize
from freeloc.io.terminal import is_terminal

__all__ = [
    "check_fit",
    "downloads_allowed",
    "fetch",
    "first_line",
    "forbidden",
    "load_metadata",
    "load_state",
    "not_a_weight_file",
    "not_downloaded",
    "without_downloads",
]

_allowed: Final = ContextVar("downloads_allowed", default=True)

_HASH_IN_NAME: Final = re.compile(r"-([0-9a-f]{8,64})\.\w+$")


@contextmanager
def without_downloads() -> Iterator[None]:
    """Allow only weights that are already on this computer, in this context."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def downloads_allowed() -> bool:
    """Return whether the loader of a backbone may download its weights."""
    return _allowed.get()


def not_downloaded(backbone: str) -> BackboneError:
    """Return the error for weights that are not on this computer and must not be downloaded."""
    return BackboneError(
        f"the weights of backbone {backbone} are not on this computer, and a model file alone never starts a "
        f"download: call freeloc.nn.backbones.registry.load_backbone({backbone!r}) once, or specify a local state "
        "dict (.safetensors or .pth)",
        parameter="weights",
    )


def not_a_weight_file(path: Path, reason: str, expected: str) -> BackboneError:
    """Return the error for a path that does not name a file.

    Args:
        path: the path.
        reason: what it is instead; see `freeloc.io.paths.why_not_a_file`.
        expected: what to specify, such as "a .safetensors file".
    """
    if is_forbidden(path):
        return forbidden(path)
    kind = BackboneError if os.path.exists(path) else MissingWeightsError  # noqa: PTH110 - may raise for long names
    return kind(f"weight file {path} {reason}: specify {expected}", path=path, parameter="weights")


def load_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file or a torch checkpoint (tensors only, no pickled code).

    A state dict that a checkpoint stores under ``state_dict`` or ``model`` is unwrapped.

    Raises:
        BackboneError: the file is missing or unreadable, or contains something other than named tensors.
    """
    if (reason := why_not_a_file(path, missing="does not exist")) is not None:
        raise not_a_weight_file(path, reason, "a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            with silence_warnings():  # torch warns of damage of which it also raises an error
                state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's message explains how to disable the check, which is bad advice for users.
        raise _unreadable(path, "it contains more than tensors, or is not a torch file") from error
    except Exception as error:  # for damaged files, torch raises nearly all, even AssertionError
        check_resources(error)
        if is_forbidden(path, error):
            raise forbidden(path) from error
        raise _unreadable(path, _reason(error)) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BackboneError(
            f"weight file {path} does not contain named tensors: specify a state dict", parameter="weights"
        )
    return {str(key): value for key, value in state.items()}


def load_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a .safetensors file; other files have none.

    Raises:
        BackboneError: the file is unreadable.
    """
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except Exception as error:  # as in `load_state`
        check_resources(error)
        if is_forbidden(path, error):
            raise forbidden(path) from error
        raise _unreadable(path, _reason(error)) from error


def _unreadable(path: Path, reason: str) -> BackboneError:
    return BackboneError(
        f"weight file {path} cannot be read ({reason}): specify a .safetensors or .pth file of plain tensors",
        parameter="weights",
    )


def forbidden(path: Path) -> BackboneError:
    """Return the error for a weight file that this user must not read."""
    return BackboneError(f"weight file {path} cannot be read: {FORBIDDEN}", path=path, parameter="weights")


def _reason(error: BaseException) -> str:
    """Return why a file cannot be read, without the words of the library that failed to read it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged, truncated, or has another format"


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type if it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def check_fit(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path, backbone: str) -> None:
    """Check that a state dict has exactly the tensors that a backbone requires, by name and shape.

    Args:
        state: tensors of the file.
        expected: tensors of the backbone. Batch counters of batch normalization may be missing from ``state``,
            because frozen networks do not use them.
        path: the file, named in error messages.
        backbone: name of the backbone, used in error messages.

    Raises:
        BackboneError: a tensor is missing or unknown, or has the wrong shape. Weights that do not fit are never
            silently skipped.
    """
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in expected]
    if missing or unknown:
        faults = [f"lacks {pluralize(len(missing), 'tensor')} (first: {missing[0]})"] if missing else []
        faults += (
            [f"has {pluralize(len(unknown), 'unknown tensor')} (first: {unknown[0]})"] if unknown else []
        )
        raise BackboneError(
            f"weight file {path} does not fit backbone {backbone}: it "
            f"{' and '.join(faults)}; use the weights of {backbone}",
            parameter="weights",
        )
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise BackboneError(
                f"tensor {key} of weight file {path} has shape {tuple(value.shape)}, but backbone {backbone} "
                f"requires {tuple(expected[key].shape)}: use the weights of {backbone}",
                parameter="weights",
            )


def fetch(url: str, backbone: str) -> Path:
    """Return the local copy of a published weight file, downloading it if necessary.

    The file is stored in ``$TORCH_HOME/hub/checkpoints`` (by default ``~/.cache/torch/hub/checkpoints``), which
    torchvision and timm use as well. The first digits of its SHA-256 are part of its name, and are checked after
    the download and whenever the local copy is used. A failed download leaves no file behind.

    Args:
        url: URL of the file, whose name ends in ``-<first digits of SHA-256>.<suffix>``.
        backbone: name of the backbone, used in error messages.

    Raises:
        BackboneError: the file cannot be downloaded, or must not be (`without_downloads`), or its content does not
            match its hash.
        ValueError: ``url`` contains no hash.
    """
    name = PurePosixPath(urlparse(url).path).name
    digits = _HASH_IN_NAME.search(name)
    if digits is None:
        raise ValueError(f"{url} has no hash in its file name")
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        _check_hash(path, digits[1], backbone)
        return path
    if not downloads_allowed():
        raise not_downloaded(backbone)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), digits[1], progress=is_terminal(sys.stderr))
    except (OSError, RuntimeError, ValueError, HTTPException) as error:
        raise BackboneError(
            f"the weights of backbone {backbone} cannot be downloaded from {url} to {path.parent} "
            f"({first_line(error)}): check the network connection, or specify a local copy",
            parameter="weights",
        ) from error
    return path


def _check_hash(path: Path, digits: str, backbone: str) -> None:
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        check_resources(error)
        if is_forbidden(path, error):
            raise forbidden(path) from error
        raise _unreadable(path, first_line(error)) from error
    if not actual.startswith(digits):
        raise BackboneError(
            f"weight file {path} of backbone {backbone} is damaged (SHA-256 {actual[:8]}… instead of {digits}…): "
            "delete it to download it again, or specify a local copy",
            parameter="weights",
        )
