"""Lookup of backbones by name.

Importing this module loads neither torch nor NumPy; `load_backbone` does.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from freeloc._registry import Registry
from freeloc._validation import check_arguments
from freeloc.errors import BackboneError, ConfigurationError, UnknownBackboneError
from freeloc.io.folders import expand_user
from freeloc.nn.backbones.catalog import CATALOG

if TYPE_CHECKING:
    from freeloc.nn.backbones.base import Backbone, BackboneLoader

__all__ = ["BACKBONES", "BACKBONE_ALIASES", "DEFAULT_BACKBONE", "check_backbone", "load_backbone"]

DEFAULT_BACKBONE: Final = "efficientnet_lite2"
"""The backbone used by default."""

BACKBONE_ALIASES: Final = MappingProxyType(
    {
        "lite0": "efficientnet_lite0",
        "lite1": "efficientnet_lite1",
        "lite2": "efficientnet_lite2",
        **{facts.name: facts.loads for facts in CATALOG if facts.name != facts.loads},
    }
)
"""Short names of backbones and their full names; a loaded backbone always has its full name."""

BACKBONES: Final[Registry[BackboneLoader]] = Registry(
    "backbone",
    "freeloc.backbones",
    {
        "efficientnet_lite0": "freeloc.nn.backbones.efficientnet_lite:load_efficientnet_lite",
        "efficientnet_lite1": "freeloc.nn.backbones.efficientnet_lite:load_efficientnet_lite",
        "efficientnet_lite2": "freeloc.nn.backbones.efficientnet_lite:load_efficientnet_lite",
        "alexnet": "freeloc.nn.backbones.alexnet:load_alexnet",
        "overfeat": "freeloc.nn.backbones.overfeat:load_overfeat",
        "timm:NAME": "freeloc.nn.backbones.timm_adapter:load_timm",
    },
)
"""Functions that load backbones; other packages register theirs under the entry-point group
``freeloc.backbones``. An entry ``PREFIX:NAME`` loads every backbone whose name starts with ``PREFIX:``."""


@check_arguments
def load_backbone(
    name: str = DEFAULT_BACKBONE, weights: str | Path | None = None, *, download: bool = True
) -> Backbone:
    """Load a frozen backbone.

    Args:
        name: a name in `BACKBONES`, or a key of `BACKBONE_ALIASES`.
        weights: a local state-dict file (.safetensors or .pth) to use instead of the usual source of
            weights. ``overfeat`` has no such source and requires the weight file of its release.
        download: whether weights that are not on this computer may be downloaded. It must be False if the name was
            read from a model file: opening a file of unknown origin must not start any network traffic.

    Raises:
        ConfigurationError: an argument has the wrong type.
        BackboneError: the name is unknown, or the weights are unavailable or do not fit.
        MissingDependencyError: an optional package is not installed.
    """
    name = BACKBONE_ALIASES.get(name, name)
    loader = _loader(name)
    with nullcontext() if download else _without_downloads():
        backbone = loader(name, None if weights is None else expand_user(weights))
    if backbone.name != name:
        raise BackboneError(
            f"the loader of backbone {name} returned a backbone called {backbone.name}: models trained on it "
            f"could not be loaded; set its name to {name}",
            parameter="backbone",
        )
    return backbone


def check_backbone(name: str) -> None:
    """Check that a backbone exists, without loading it or the package that provides it.

    Raises:
        BackboneError: the name is unknown.
    """
    key = _registry_key(BACKBONE_ALIASES.get(name, name))
    if key not in BACKBONES.names():
        _loader(key)


def _without_downloads() -> AbstractContextManager[None]:
    from freeloc.nn.backbones.weight_files import without_downloads

    return without_downloads()


def _registry_key(name: str) -> str:
    prefix, colon, _ = name.partition(":")
    family = f"{prefix}:NAME"
    return family if colon and family in BACKBONES.names() else name


def _loader(name: str) -> BackboneLoader:
    key = _registry_key(name)
    try:
        return BACKBONES.get(key, parameter="backbone")
    except ConfigurationError as error:
        unknown = key not in BACKBONES.names()
        aliases = f" (short names: {', '.join(BACKBONE_ALIASES)})" if unknown else ""
        kind = UnknownBackboneError if unknown else BackboneError
        raise kind(f"{error}{aliases}", parameter="backbone") from error
