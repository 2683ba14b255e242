"""``timm:NAME``: timm networks with a spatial feature map, as backbones (requires the extra ``timm``).

The properties of a network's feature map are measured by running the network, not inferred from its name: the
layout (channels first, channels last or tokens), the number of channels, the stride and the cell centers. A
network is accepted only if its map has ``canvas / stride`` cells along each axis on canvases of several
shapes; otherwise the positions of its cells would be unknown.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, cast
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from freeloc.errors import BackboneError, MissingDependencyError, UnknownBackboneError
from freeloc.geometry.grid import CellLayout
from freeloc.io.limits import check_resources
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.cell_center import measure_cell_center
from freeloc.nn.backbones.weight_files import check_fit, downloads_allowed, load_state, not_downloaded
from freeloc.nn.torchscript import silence_torchscript

__all__ = ["TimmBackbone", "load_timm"]

_PREFIX: Final = "timm:"
_SIZE_OPTIONS: Final = ("dynamic_img_size", "strict_img_size")
"""Options of timm's network families that allow images of any size."""

_PROBE_SIDE: Final = 224
_PROBE_SHAPES: Final = ((1, 4), (5, 3), (2, 9))
"""Rows and columns of cells on the canvases used to check every network."""

_NETWORK_ERRORS: Final = (
    *(AssertionError, AttributeError, LookupError, NotImplementedError),
    *(RuntimeError, TypeError, ValueError),
)
"""Exceptions that networks raise for unsupported inputs."""

_Form = Literal["NCHW", "NHWC", "tokens"]


class _FeatureMap(nn.Module):
    """A timm network whose features always have the shape (N, channels, rows, cols)."""

    def __init__(self, network: nn.Module, form: _Form, stride: int) -> None:
        super().__init__()
        self.network = network
        self.form = form
        self.stride = stride
        self.prefix = int(getattr(network, "num_prefix_tokens", 0))

    def forward(self, image: Tensor) -> Tensor:
        features = _features(self.network, image)
        if self.form == "NCHW":
            return features
        if self.form == "NHWC":
            return features.permute(0, 3, 1, 2)
        rows, cols = image.shape[2] // self.stride, image.shape[3] // self.stride
        return features[:, self.prefix :].transpose(1, 2).reshape(image.shape[0], -1, rows, cols)


class TimmBackbone(Backbone):
    """A timm network as a backbone: its unpooled features, without a projection.

    Args:
        name: ``timm:NAME``.
        network: the network with its weights, without a classifier (``num_classes=0``).

    Raises:
        BackboneError: the network has no map of ``canvas / stride`` cells.
    """

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        network = network.float().eval().requires_grad_(False)
        config: Mapping[str, Any] = getattr(network, "pretrained_cfg", None) or {}
        self.name = name
        self.normalization = Normalization(
            _in_bytes(config.get("mean"), name, "mean"), _in_bytes(config.get("std"), name, "std")
        )
        form, stride, channels = _probe(network, name)
        self.body = _FeatureMap(network, form, stride)
        self.projection = nn.Identity()
        self.channels = channels
        self.width = channels
        _check_shapes(self.body, channels, name)
        center = measure_cell_center(self.body, stride)
        self.layout = CellLayout(stride, offset=stride / 2 if center is None else center)


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
        try:
            network = _create(timm, name, pretrained=False)
        except _NETWORK_ERRORS as error:
            raise BackboneError(
                f"timm cannot create {name} ({_reason(error)}): choose another network", parameter="backbone"
            ) from error
        _load_local(network, weights, name)
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


def _create_published(timm: Any, name: str, published: Any) -> nn.Module:
    overlay = None
    if not downloads_allowed():
        file = _downloaded(published)
        if file is None:
            raise not_downloaded(name)
        overlay = {"file": str(file), "custom_load": getattr(published, "custom_load", False)}
    try:
        with _tensors_only():
            return _create(timm, name, pretrained=True, overlay=overlay)
    except Exception as error:  # the hub's client raises exceptions from several libraries
        sources = [getattr(published, field, None) for field in ("hf_hub_id", "url")]
        tried = " or ".join(str(source) for source in sources if source) or "timm's sources"
        raise BackboneError(
            f"the weights of backbone {name} cannot be downloaded from {tried} ({_reason(error)}): check the "
            "network connection, or specify a local state dict (.safetensors or .pth)",
            parameter="weights",
        ) from error


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


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


_environment_lock = threading.Lock()


@contextmanager
def _tensors_only() -> Iterator[None]:
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


def _load_local(network: nn.Module, path: Path, name: str) -> None:
    """Copy a local state dict into a network without a classifier; all tensors must match."""
    expected = network.state_dict()
    state = _without_classifier(network, load_state(path), expected)
    if state.keys() - expected.keys():
        # The names may be those of the original authors, which timm's modules can translate.
        translate = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if translate is not None:
            try:
                state = _without_classifier(network, dict(translate(dict(state), network)), expected)
            except _NETWORK_ERRORS:
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


def _in_bytes(values: Any, name: str, what: str) -> tuple[float, float, float]:
    """Convert a mean or deviation to RGB values from 0 to 255; timm's values are for a range from 0 to 1."""
    numbers = [float(value) * 255 for value in values or ()]
    if len(numbers) != 3:
        raise BackboneError(
            f"timm has no RGB {what} for {name}: choose a network that was trained on RGB images",
            parameter="backbone",
        )
    return numbers[0], numbers[1], numbers[2]


def _features(network: nn.Module, image: Tensor) -> Tensor:
    # Every timm network has forward_features, which nn.Module does not declare.
    features: object = network.forward_features(image)  # type: ignore[operator]
    if not isinstance(features, Tensor):
        raise TypeError(f"its features are a {type(features).__name__}, not one tensor")
    return features


def _run(network: Callable[[Tensor], Tensor], rows: int, cols: int, name: str) -> Tensor:
    """Return the features of an all-zero canvas of ``rows × cols`` pixels."""
    try:
        with torch.no_grad():
            return network(torch.zeros(1, 3, rows, cols))
    except _NETWORK_ERRORS as error:
        raise BackboneError(
            f"{name} does not support canvases of arbitrary size (at {cols}×{rows}: {_reason(error)}): "
            "choose a network without a fixed input size",
            parameter="backbone",
        ) from error


def _probe(network: nn.Module, name: str) -> tuple[_Form, int, int]:
    """Return form, stride and number of channels of the feature map, determined on a square canvas."""
    info = getattr(network, "feature_info", None)
    stages = getattr(info, "info", info) or [{}]
    reduction = int(stages[-1].get("reduction", 1))
    side = max(1, round(_PROBE_SIDE / reduction)) * reduction
    shape = _run(lambda image: _features(network, image), side, side, name).shape
    form: _Form
    if len(shape) == 3:
        patches = shape[1] - int(getattr(network, "num_prefix_tokens", 0))
        form, cells, channels = "tokens", round(max(patches, 0) ** 0.5), shape[2]
        square = cells * cells == patches
    elif len(shape) == 4:
        last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
        form, channels = ("NHWC", shape[3]) if last else ("NCHW", shape[1])
        cells, other = shape[1:3] if last else shape[2:4]
        square = cells == other
    else:
        raise BackboneError(
            f"{name} has no spatial feature map (its features have shape {tuple(shape)}): choose another network",
            parameter="backbone",
        )
    if not square or cells < 2 or side % cells:
        raise BackboneError(
            f"the features of {name} on a canvas of {side}×{side} have shape {tuple(shape)}, which is not a map "
            "of canvas / stride cells: choose another network",
            parameter="backbone",
        )
    return form, side // cells, channels


def _check_shapes(body: _FeatureMap, channels: int, name: str) -> None:
    for rows, cols in _PROBE_SHAPES:
        shape = tuple(_run(body, rows * body.stride, cols * body.stride, name).shape)
        if shape != (1, channels, rows, cols):
            raise BackboneError(
                f"the feature map of {name} does not match the canvas: it has {shape[2:]} cells instead of "
                f"{(rows, cols)} at stride {body.stride}; choose another network",
                parameter="backbone",
            )
