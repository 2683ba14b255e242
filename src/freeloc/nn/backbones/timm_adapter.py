"""``timm:NAME``: timm networks with a spatial feature map, as backbones (requires the extra ``timm``).

A network is accepted only if its map has ``canvas / stride`` cells along each axis on canvases of several shapes;
otherwise the positions of its cells would be unknown (`freeloc.nn.backbones.timm_features`). Some networks have
short names and pinned weights (`freeloc.nn.backbones.catalog`).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from torch import Tensor, nn

from freeloc.errors import BackboneError, MissingDependencyError, UnknownBackboneError
from freeloc.geometry.grid import CellLayout
from freeloc.io.limits import check_resources
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.catalog import find_facts
from freeloc.nn.backbones.cell_center import measure_cell_center
from freeloc.nn.backbones.timm_features import NETWORK_ERRORS, FeatureMap
from freeloc.nn.backbones.timm_positions import make_positions_traceable
from freeloc.nn.backbones.timm_weights import load_local, published_file, tensors_only
from freeloc.nn.backbones.weight_files import first_line
from freeloc.nn.torchscript import silence_torchscript

__all__ = ["TimmBackbone", "create_untrained", "load_timm"]

_PREFIX: Final = "timm:"
_SIZE_OPTIONS: Final = ("dynamic_img_size", "strict_img_size")
"""Options of timm's network families that allow images of any size."""


class TimmBackbone(Backbone):
    """A timm network as a backbone: its unpooled features, without a projection.

    Args:
        name: ``timm:NAME``.
        network: the network with its weights, without a classifier (``num_classes=0``).

    Raises:
        BackboneError: the network has no map of ``canvas / stride`` cells.
    """

    checks_conversion = True

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        network = network.float().eval().requires_grad_(False)
        make_positions_traceable(network)
        config: Mapping[str, Any] = getattr(network, "pretrained_cfg", None) or {}
        self.name = name
        self.normalization = Normalization(
            _in_bytes(config.get("mean"), name, "mean"), _in_bytes(config.get("std"), name, "std")
        )
        self.body: FeatureMap = FeatureMap(network, name)
        self.projection = nn.Identity()
        self.channels = self.width = self.body.channels
        self.detail_channels = self.body.detail_channels
        self.layout = CellLayout(self.body.stride, _cell_center(name, self.body))

    def forward_with_detail(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Implement `Backbone.forward_with_detail`; see `freeloc.nn.backbones.timm_features`."""
        if not self.detail_channels:
            return super().forward_with_detail(canvas)
        return self.body.with_detail(self.normalization(canvas))


def _cell_center(name: str, body: FeatureMap) -> float:
    """Return the distance of the center of the first cell from the edge of the canvas, in pixels.

    It takes seconds to measure, but is known for networks with a short name and for patches that do not overlap.
    """
    facts = find_facts(name)
    if facts is not None:
        return facts.offset
    patches = getattr(getattr(body.network, "patch_embed", None), "proj", None)
    if isinstance(patches, nn.Conv2d):
        stride = (body.stride, body.stride)
        if patches.kernel_size == patches.stride == stride and patches.padding == (0, 0):
            return body.stride / 2
    center = measure_cell_center(body, body.stride)
    return body.stride / 2 if center is None else center


def create_untrained(name: str) -> Backbone:
    """Create a backbone from a timm network with random weights, to measure its speed.

    Args:
        name: ``timm:NAME``.

    Raises:
        BackboneError: timm does not have the network, or its feature map does not match the canvas.
        MissingDependencyError: timm is not installed or cannot be imported.
    """
    timm = _import_timm(name)
    _published_config(timm, name)
    backbone = TimmBackbone(name, _create_untrained(timm, name))
    backbone.freeze()
    return backbone


def load_timm(name: str, weights: Path | None = None) -> Backbone:
    """Load a backbone from a timm network.

    Args:
        name: ``timm:NAME``, where NAME is one of ``timm.list_models()``, with or without a pretrained tag.
        weights: a local state-dict file (.safetensors or .pth) with the network's tensors under timm's names; its
            classifier, if any, is ignored. By default, timm downloads its published weights, unless
            `freeloc.nn.backbones.weight_files.without_downloads` restricts it to weights downloaded before.

    Raises:
        BackboneError: timm does not have the network, its weights are unavailable or do not fit, or its feature
            map does not match the canvas.
        MissingDependencyError: timm is not installed or cannot be imported.
    """
    timm = _import_timm(name)
    published = _published_config(timm, name)
    if weights is None:
        network = _create_published(timm, name, published)
    else:
        network = _create_untrained(timm, name)
        load_local(network, weights, name)
    backbone = TimmBackbone(name, network)
    backbone.freeze()
    return backbone


def _import_timm(name: str) -> Any:
    try:
        with silence_torchscript():
            return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"backbone {name} requires timm, which is not installed: run pip install 'freeloc[timm]'",
            extra="timm",
        ) from error
    except (ImportError, RuntimeError, OSError) as error:
        check_resources(error)
        raise MissingDependencyError(
            f"backbone {name} requires timm, which cannot be imported ({error}): "
            "install the version of torchvision that matches the installed torch",
            extra="timm",
        ) from error


def _published_config(timm: Any, name: str) -> Any:
    """Return timm's description of the network's published weights; None if no weights are published."""
    network_name = name.removeprefix(_PREFIX)
    architecture = network_name.partition(".")[0]
    if timm.is_model(network_name):
        try:
            return timm.get_pretrained_cfg(network_name)
        except RuntimeError:
            close = timm.list_pretrained(f"{architecture}.*")
    else:
        close = difflib.get_close_matches(architecture, timm.list_models(), n=3)
    hint = (
        f"did you mean {' or '.join(_PREFIX + item for item in close)}?"
        if close
        else "see timm.list_models()"
    )
    raise UnknownBackboneError(f"timm has no network called {network_name!r}: {hint}", parameter="backbone")


def _create(timm: Any, name: str, *, pretrained: bool, overlay: Mapping[str, Any] | None = None) -> nn.Module:
    """Create the network without its classifier, for images of any size if its family supports them.

    Args:
        timm: the package.
        name: ``timm:NAME``.
        pretrained: whether to load the published weights.
        overlay: fields that replace those of timm's description of the weights.
    """
    create = partial(timm.create_model, name.removeprefix(_PREFIX), pretrained=pretrained, num_classes=0)
    if overlay is not None:
        create = partial(create, pretrained_cfg_overlay=dict(overlay))
    for option in _SIZE_OPTIONS:
        try:
            network: nn.Module = create(**{option: option.startswith("dynamic")})
        except TypeError as error:  # raised before any weights are downloaded
            if option not in str(error):
                raise
        else:
            return network
    return cast("nn.Module", create())


def _create_untrained(timm: Any, name: str) -> nn.Module:
    try:
        return _create(timm, name, pretrained=False)
    except NETWORK_ERRORS as error:
        raise BackboneError(
            f"timm cannot create {name} ({first_line(error)}): choose another network", parameter="backbone"
        ) from error


def _create_published(timm: Any, name: str, published: Any) -> nn.Module:
    file = published_file(name, published)
    overlay = None
    if file is not None:
        overlay = {"file": str(file), "custom_load": getattr(published, "custom_load", False)}
    try:
        with tensors_only():
            return _create(timm, name, pretrained=True, overlay=overlay)
    except Exception as error:  # the hub's client raises exceptions from several libraries
        if file is not None:
            raise BackboneError(
                f"weight file {file} of backbone {name} cannot be loaded ({first_line(error)}): specify a local "
                "state dict (.safetensors or .pth)",
                path=file,
                parameter="weights",
            ) from error
        sources = [getattr(published, field, None) for field in ("hf_hub_id", "url")]
        tried = " or ".join(str(source) for source in sources if source) or "timm's sources"
        raise BackboneError(
            f"the weights of backbone {name} cannot be downloaded from {tried} ({first_line(error)}): check the "
            "network connection, or specify a local state dict (.safetensors or .pth)",
            parameter="weights",
        ) from error


def _in_bytes(values: Any, name: str, what: str) -> tuple[float, float, float]:
    """Convert a mean or deviation to RGB values from 0 to 255; timm's values are for a range from 0 to 1."""
    numbers = [float(value) * 255 for value in values or ()]
    if len(numbers) != 3:
        raise BackboneError(
            f"timm has no RGB {what} for {name}: choose a network that was trained on RGB images",
            parameter="backbone",
        )
    return numbers[0], numbers[1], numbers[2]
