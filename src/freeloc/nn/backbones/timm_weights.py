"""Weights of timm networks: published ones, those downloaded before, and local files."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from freeloc.nn.backbones.catalog import find_facts
from freeloc.nn.backbones.hub_weights import fetch_from_hub
from freeloc.nn.backbones.timm_features import NETWORK_ERRORS
from freeloc.nn.backbones.weight_files import check_fit, downloads_allowed, load_state, not_downloaded

__all__ = ["load_local", "published_file", "tensors_only"]


def published_file(name: str, published: Any) -> Path | None:
    """Return the published weight file of a network, if it is pinned or must not be downloaded.

    Args:
        name: ``timm:NAME``.
        published: timm's description of the weights.

    Returns:
        The local file; None if timm should download the weights.

    Raises:
        BackboneError: the weights cannot be downloaded, or must not be, or do not match their hash.
    """
    facts = find_facts(name)
    if facts is not None and facts.hub is not None:
        return fetch_from_hub(facts.hub, name)
    if downloads_allowed():
        return None
    file = _downloaded(published)
    if file is None:
        raise not_downloaded(name)
    return file


def _downloaded(published: Any) -> Path | None:
    """Return the weight file that timm has downloaded before; None if there is none."""
    hub_id: str = getattr(published, "hf_hub_id", None) or ""
    url: str = getattr(published, "url", None) or ""
    files: list[object] = []
    if hub_id:
        from huggingface_hub import try_to_load_from_cache

        repository, _, revision = hub_id.partition("@")
        name: str = getattr(published, "hf_hub_filename", None) or "pytorch_model.bin"
        preferred = (
            "model.safetensors" if name == "pytorch_model.bin" else f"{name.removesuffix('.bin')}.safetensors"
        )
        # In timm's order: the safetensors file is preferred if both exist.
        files = [
            try_to_load_from_cache(repository, file, revision=revision or None) for file in (preferred, name)
        ]
    if url:
        files.append(Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlparse(url).path).name)
    found = (Path(file) for file in files if isinstance(file, str | Path))
    return next((file for file in found if file.is_file()), None)


_environment_lock = threading.Lock()


@contextmanager
def tensors_only() -> Iterator[None]:
    """Restrict torch.load to plain tensors inside this context.

    Some of timm's loaders call torch.load with ``weights_only=False``, which can execute code in the file,
    and offer no argument to change that. Only an environment variable makes torch override such calls.
    """
    option = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    with _environment_lock:
        before = os.environ.get(option)
        os.environ[option] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ[option]
            else:
                os.environ[option] = before


def load_local(network: nn.Module, path: Path, name: str) -> None:
    """Copy a local state dict into a network without a classifier; all tensors must match."""
    expected = network.state_dict()
    state = _without_classifier(network, load_state(path), expected)
    if state.keys() - expected.keys():
        # The names may be those of the original authors, which timm's modules can translate.
        translate = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if translate is not None:
            try:
                state = _without_classifier(network, dict(translate(dict(state), network)), expected)
            except NETWORK_ERRORS:
                translate = None  # the check below reports mismatches
    check_fit(state, expected, path, name)
    network.load_state_dict(state, strict=False)


def _without_classifier(
    network: nn.Module, state: dict[str, Tensor], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    config: Mapping[str, Any] = getattr(network, "pretrained_cfg", None) or {}
    classifiers = config.get("classifier") or ()
    names = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    prefixes = tuple(f"{name}." for name in names)
    return {key: value for key, value in state.items() if key in expected or not key.startswith(prefixes)}
