"""``timm:NAME``: any timm network with a spatial feature map as a backbone (extra ``timm``).

What a network's map looks like is found by running it, not by a list of names: whether it gives channels
first, channels last or tokens, how many channels, at what stride. A network is taken only if its map has
``canvas / stride`` cells each way on canvases of several shapes; otherwise cells could not be placed.

**Centres of cells.** A convolution with stride 2 and symmetric padding (ResNet) centres its cell (0, 0) on the
first pixel of the canvas, cutting into patches (vision transformers, ConvNeXt, Swin) on ``stride / 2``,
TensorFlow's padding near the last pixel of the stride. The difference is up to half a cell, so the centre is
measured: see `_measured_centre`.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, cast

import torch
from torch import Tensor, nn

from freeloc.errors import FreelocError
from freeloc.geometry.grid import CellLayout
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.backbones.weight_files import check_fit, load_state

__all__ = ["TimmBackbone", "load_timm"]

_PREFIX: Final = "timm:"
_SIZE_OPTIONS: Final = ("dynamic_img_size", "strict_img_size")
"""Options by which timm's families are told to take images of any size, or not to insist on one."""

_PROBE_SIDE: Final = 224
_PROBE_SHAPES: Final = ((1, 4), (5, 3), (2, 9))
"""Rows and columns of the canvases on which a map must have exactly these cells."""

_STRIP_CELLS: Final = (16, 32, 64, 96, 192)
"""Lengths of the strips on which a network's reach is measured, until one is long enough."""

_MOSTLY_CLEAN: Final = 0.5
"""A map with a smaller part spoilt than this is not spoilt as a whole by a layer of limited reach."""

_NETWORK_ERRORS: Final = (
    *(AssertionError, AttributeError, LookupError, NotImplementedError),
    *(RuntimeError, TypeError, ValueError),
)
"""What networks raise on inputs they were not made for."""

_Form = Literal["NCHW", "NHWC", "tokens"]


class _FeatureMap(nn.Module):
    """A timm network whose features always come as (N, channels, rows, cols)."""

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
    """A timm network as a backbone: its unpooled features, nothing projected.

    Args:
        name: ``timm:NAME``.
        network: built with ``num_classes=0``, weights loaded.

    Raises:
        FreelocError: the network has no map of ``canvas / stride`` cells.
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
        centre = _measured_centre(self.body)
        self.layout = CellLayout(stride, offset=stride / 2 if centre is None else centre)


def load_timm(name: str, weights: str | None = None) -> Backbone:
    """Build a backbone from a timm network.

    Args:
        name: ``timm:NAME``, where NAME is one of ``timm.list_models()``, with or without a pretrained tag.
        weights: a local state-dict file (.safetensors or .pth) with the network's tensors under timm's names;
            a classifier in it is left out. Without it timm fetches its published weights.

    Raises:
        FreelocError: timm is not installed, does not know the network, its weights cannot be had or do not
            fit, or the network has no feature map that follows the canvas.
    """
    timm = _import_timm(name)
    published = _published_config(timm, name)
    if weights is None:
        network = _create_published(timm, name, published)
    else:
        try:
            network = _create(timm, name, pretrained=False)
        except _NETWORK_ERRORS as error:
            raise FreelocError(
                f"timm cannot build {name} ({_reason(error)}): choose another network"
            ) from error
        _load_local(network, Path(weights), name)
    backbone = TimmBackbone(name, network)
    backbone.freeze()
    return backbone


def _import_timm(name: str) -> Any:
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise FreelocError(f"backbone {name} needs timm: run pip install 'freeloc[timm]'") from error
    except (ImportError, RuntimeError, OSError) as error:
        raise FreelocError(
            f"backbone {name} needs timm, which does not start here ({error}): "
            "install torchvision in the version made for the installed torch"
        ) from error


def _published_config(timm: Any, name: str) -> Any:
    """What timm says about the network's published weights; None if there are none."""
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
    raise FreelocError(f"timm knows no network called {network_name!r}: {hint}")


def _create(timm: Any, name: str, *, pretrained: bool) -> nn.Module:
    """The headless network, told to take images of any size where its family knows how."""
    create = partial(timm.create_model, name.removeprefix(_PREFIX), pretrained=pretrained, num_classes=0)
    for option in _SIZE_OPTIONS:
        try:
            network: nn.Module = create(**{option: option.startswith("dynamic")})
        except TypeError as error:  # raised before any weights are fetched
            if option not in str(error):
                raise
        else:
            return network
    return cast("nn.Module", create())


def _create_published(timm: Any, name: str, published: Any) -> nn.Module:
    try:
        with _tensors_only():
            return _create(timm, name, pretrained=True)
    except Exception as error:  # the hub's client raises errors of several libraries
        sources = [getattr(published, field, None) for field in ("hf_hub_id", "url")]
        tried = " or ".join(str(source) for source in sources if source) or "any place that timm knows"
        raise FreelocError(
            f"the weights of backbone {name} could not be had from {tried} ({_reason(error)}): connect to the "
            "network, or give a local state dict (.safetensors or .pth) with --weights"
        ) from error


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


@contextmanager
def _tensors_only() -> Iterator[None]:
    """Hold torch.load to plain tensors, wherever timm calls it: some of its loaders would run pickled code."""
    option = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
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
    """Copy a local state dict into a headless network; nothing missing, nothing unknown."""
    own = network.state_dict()
    state = _without_head(network, load_state(path), own)
    if state.keys() - own.keys():
        # The names may be those of the network's authors, for which timm's modules carry a translation.
        translate = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if translate is not None:
            try:
                state = _without_head(network, dict(translate(dict(state), network)), own)
            except _NETWORK_ERRORS:
                translate = None  # the check below names what does not fit
    check_fit(state, own, path, name)
    network.load_state_dict(state, strict=False)


def _without_head(
    network: nn.Module, state: dict[str, Tensor], own: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    config: Mapping[str, Any] = getattr(network, "pretrained_cfg", None) or {}
    heads = config.get("classifier") or ()
    names = (heads,) if isinstance(heads, str) else tuple(heads)
    prefixes = tuple(f"{head}." for head in names)
    return {key: value for key, value in state.items() if key in own or not key.startswith(prefixes)}


def _in_bytes(values: Any, name: str, what: str) -> tuple[float, float, float]:
    """A mean or deviation in RGB values 0–255; timm states it for values from 0 to 1."""
    numbers = [float(value) * 255 for value in values or ()]
    if len(numbers) != 3:
        raise FreelocError(
            f"timm states no RGB {what} for {name}: choose a network that was trained on RGB images"
        )
    return numbers[0], numbers[1], numbers[2]


def _features(network: nn.Module, image: Tensor) -> Tensor:
    # Every timm network has forward_features; nn.Module does not know it.
    features: object = network.forward_features(image)  # type: ignore[operator]
    if not isinstance(features, Tensor):
        raise TypeError(f"its features are a {type(features).__name__}, not one tensor")
    return features


def _run(network: Callable[[Tensor], Tensor], rows: int, cols: int, name: str) -> Tensor:
    """Features of an empty canvas of ``rows × cols`` pixels."""
    try:
        with torch.no_grad():
            return network(torch.zeros(1, 3, rows, cols))
    except _NETWORK_ERRORS as error:
        raise FreelocError(
            f"{name} cannot take canvases of any size (at {cols}×{rows}: {_reason(error)}): choose a network "
            "whose input size timm does not fix"
        ) from error


def _probe(network: nn.Module, name: str) -> tuple[_Form, int, int]:
    """Form, stride and channels of the map, read off a square canvas."""
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
        raise FreelocError(f"{name} has no spatial feature map (its features are {tuple(shape)})")
    if not square or cells < 2 or side % cells:
        raise FreelocError(
            f"the features of {name} on a canvas of {side}×{side} have shape {tuple(shape)}, which is no map of "
            "canvas / stride cells: choose another network"
        )
    return form, side // cells, channels


def _check_shapes(body: _FeatureMap, channels: int, name: str) -> None:
    for rows, cols in _PROBE_SHAPES:
        shape = tuple(_run(body, rows * body.stride, cols * body.stride, name).shape)
        if shape != (1, channels, rows, cols):
            raise FreelocError(
                f"the map of {name} does not follow the canvas: {shape[2:]} cells instead of {(rows, cols)} at "
                f"stride {body.stride}; choose another network"
            )


def _measured_centre(body: _FeatureMap) -> float | None:
    """Canvas position of the centre of cell (0, 0): the middle of the pixels the cell can read.

    "Not a number" spreads through a network exactly as far as its layers reach, whatever the weights. Columns
    at one end of a strip are filled with it, and the cells that stay clean tell where each cell begins to
    read, to the pixel; the mirrored strip tells where it ends. Layers that look at the whole map (squeeze and
    excitation, attention) are passed by while measuring: they read everywhere alike.

    Returns:
        Pixels from the canvas's edge, or None where the reach is not the same for every cell (attention in
        windows) or too wide to measure.
    """
    if any(hasattr(module, "window_size") for module in body.modules()):
        return None
    with torch.no_grad(), _passing_global_layers(body):
        for cells in _STRIP_CELLS:
            begin = _edge(body, cells, mirrored=False)
            end = None if begin is None else _edge(body, cells, mirrored=True)
            if begin is not None and end is not None:
                return (begin + body.stride - end) / 2
    return None


def _edge(body: _FeatureMap, cells: int, *, mirrored: bool) -> int | None:
    """First column that cell 0 reads, on a strip of ``cells`` cells; None if the strip is too short to tell.

    Where all cells reach equally far, filling the first x columns spoils ``ceil((x − edge) / stride)`` cells.
    """
    stride = body.stride
    base = _spoiled_cells(body, cells, stride, mirrored=mirrored)
    if base is None or base + 2 >= cells:
        return None
    for step in (1, 2):
        if _spoiled_cells(body, cells, (1 + step) * stride, mirrored=mirrored) != base + step:
            return None
    low, high = stride, 2 * stride  # the last column of the first stride and of the second
    while high - low > 1:
        middle = (low + high) // 2
        if _spoiled_cells(body, cells, middle, mirrored=mirrored) == base:
            low = middle
        else:
            high = middle
    return high - 1 - stride * base


def _spoiled_cells(body: _FeatureMap, cells: int, columns: int, *, mirrored: bool) -> int | None:
    """Number of leading cells that read the first ``columns`` pixels of a strip; None if others do, too."""
    strip = torch.zeros(1, 3, body.stride, cells * body.stride)
    strip[..., :columns] = torch.nan
    features: Tensor = body(strip.flip(3) if mirrored else strip)
    marks = features.isnan().any(dim=1).flatten()
    if mirrored:
        marks = marks.flip(0)
    count = int(marks.sum())
    return count if bool(marks[:count].all()) else None


@contextmanager
def _passing_global_layers(body: nn.Module) -> Iterator[None]:
    """Replace the output of every layer that spoils a mostly clean map as a whole by its input."""

    def pass_by(_module: nn.Module, inputs: tuple[object, ...], output: object) -> Tensor | None:
        given = inputs[0] if inputs else None
        if not isinstance(given, Tensor) or not isinstance(output, Tensor) or given.shape != output.shape:
            return None
        spreads = bool(output.isnan().all()) and float(given.isnan().float().mean()) < _MOSTLY_CLEAN
        return given if spreads else None

    handles = [module.register_forward_hook(pass_by) for module in body.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
