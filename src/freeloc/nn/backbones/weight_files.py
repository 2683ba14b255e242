"""Weight files: fetched with their hash checked, and read without ever running code from them."""

from __future__ import annotations

import hashlib
import pickle
import re
import struct
import sys
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from freeloc.errors import FreelocError

__all__ = ["check_fit", "fetch", "load_state"]

_HASH_IN_NAME: Final = re.compile(r"-([0-9a-f]{8,64})\.\w+$")


def load_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file or a torch checkpoint (tensors only, no pickled code).

    A checkpoint that wraps its weights under ``state_dict`` or ``model`` is unwrapped.

    Raises:
        FreelocError: the file is missing, unreadable, or holds something other than named tensors.
    """
    if not path.is_file():
        raise FreelocError(f"weight file {path} does not exist: give --weights a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text explains how to switch the check off, which is no advice for a user.
        raise _unreadable(path, "it holds more than tensors, or is no torch file") from error
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError) as error:
        raise _unreadable(path, _first_line(error)) from error
    except (SafetensorError, struct.error) as error:
        raise _unreadable(path, _first_line(error)) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise FreelocError(f"weight file {path} does not hold named tensors: give a state dict")
    return {str(key): value for key, value in state.items()}


def _unreadable(path: Path, reason: str) -> FreelocError:
    return FreelocError(
        f"weight file {path} cannot be read ({reason}): give a .safetensors or .pth file of plain tensors"
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def check_fit(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path, backbone: str) -> None:
    """Hold a state dict against the tensors a backbone needs: the same names, the same shapes.

    Args:
        state: what the file holds.
        expected: what the backbone holds. Batch counters of batch normalisation may be missing from ``state``:
            a frozen network does not read them.
        path: the file, for the message.
        backbone: name of the backbone, for the message.

    Raises:
        FreelocError: a tensor is missing, unknown, or of another shape. Weights that do not fit are never
            left out in silence.
    """
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in expected]
    if missing or unknown:
        told = [f"lacks {len(missing)} (first: {missing[0]})"] if missing else []
        told += [f"holds {len(unknown)} unknown (first: {unknown[0]})"] if unknown else []
        raise FreelocError(
            f"the tensors of weight file {path} do not fit backbone {backbone}: "
            f"it {' and '.join(told)}; give the weights of {backbone}"
        )
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise FreelocError(
                f"tensor {key} of weight file {path} has shape {tuple(value.shape)} where backbone {backbone} "
                f"needs {tuple(expected[key].shape)}: give the weights of {backbone}"
            )


def fetch(url: str, backbone: str) -> Path:
    """Local copy of a published weight file, downloaded once into torch's own cache folder.

    The folder is ``$TORCH_HOME/hub/checkpoints`` (by default ``~/.cache/torch/hub/checkpoints``), shared with
    torchvision and timm. The first digits of the file's SHA-256 are part of its name, and are checked after
    a download and again each time a kept copy is used. A download that fails leaves no file behind.

    Args:
        url: where the file is published; its name ends in ``-<first digits of SHA-256>.<suffix>``.
        backbone: name of the backbone, for the message.

    Raises:
        FreelocError: the file cannot be had, or its content is not what its name says.
        ValueError: ``url`` carries no hash.
    """
    name = PurePosixPath(urlparse(url).path).name
    digits = _HASH_IN_NAME.search(name)
    if digits is None:
        raise ValueError(f"{url} has no hash in its file name")
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        _check_kept(path, digits[1], backbone)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), digits[1], progress=sys.stderr.isatty())
    except (OSError, RuntimeError, ValueError, HTTPException) as error:
        raise FreelocError(
            f"the weights of backbone {backbone} could not be downloaded from {url} to {path.parent} "
            f"({_first_line(error)}): connect to the network, or give a local copy with --weights"
        ) from error
    return path


def _check_kept(path: Path, digits: str, backbone: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, _first_line(error)) from error
    if not found.startswith(digits):
        raise FreelocError(
            f"the kept weight file {path} of backbone {backbone} is damaged (SHA-256 {found[:8]}… instead of "
            f"{digits}…): delete it to download it again, or give a local copy with --weights"
        )
