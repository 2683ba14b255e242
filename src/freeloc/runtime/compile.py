"""Compile a backbone and an appended module into an executable network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeloc._literals import Precision, Runtime
from freeloc._log import get_logger
from freeloc.errors import ConfigurationError, ModelError
from freeloc.runtime.appended_module import AppendedModule
from freeloc.runtime.float32_stem import with_float32_stem
from freeloc.runtime.graph_cache import cached_graph, find_graph
from freeloc.runtime.hardware import cuda_usable, gpu_available
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from freeloc.runtime.openvino_conversion import (
    append_graph,
    convert_appended,
    convert_backbone,
    features_only,
)
from freeloc.runtime.protocol import Network, check_runtime

if TYPE_CHECKING:
    from freeloc.nn.backbones.base import Backbone

__all__ = ["compile_cached", "compile_network", "network_graph"]

_log = get_logger(__name__)


def compile_network(
    backbone: Backbone,
    appended: AppendedModule | None = None,
    *,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    streams: int | None = 1,
    batch: int | None = None,
    cached: bool = True,
) -> Network:
    """Compile a backbone and the module that follows it.

    Args:
        backbone: the frozen backbone.
        appended: the module that follows, such as projection and head; None runs the backbone's body alone.
        runtime: the library that runs the network.
        precision: arithmetic of the network; its outputs are always float32.
        streams: number of canvases that OpenVINO computes at the same time, sharing the cores equally; None runs
            one canvas per core, for the highest throughput (a third higher than with one stream on two cores).
        batch: maximum number of canvases of equal shape that torch runs in one batch; default: 32 on a GPU and 1
            on a CPU. OpenVINO always runs canvases one by one.
        cached: whether the graph of a backbone alone is read from the disk cache, or stored there.

    Raises:
        ConfigurationError: runtime or precision is unknown, the batch is not positive, or this process was forked
            after torch had used the GPU.
        MissingDependencyError: OpenVINO cannot be imported.
    """
    check_runtime(runtime, precision)
    if batch is not None and batch < 1:
        raise ConfigurationError(f"batch is {batch}: it must be at least 1", parameter="batch")
    if runtime == "torch" or (runtime == "auto" and gpu_available()):
        import torch

        from freeloc.runtime.detail import WithDetail
        from freeloc.runtime.torch_backend import TorchNetwork

        device = torch.device("cuda" if cuda_usable() else "cpu")
        if appended is None:
            return TorchNetwork(backbone, None, precision, device, batch)
        network = WithDetail(backbone) if appended.detail else backbone
        return TorchNetwork(network, appended.module, precision, device, batch)
    if appended is None and not cached:
        return OpenVinoNetwork(features_only(convert_backbone(backbone)), precision, streams=streams)
    return OpenVinoNetwork(network_graph(backbone, appended), precision, streams=streams)


def compile_cached(
    cache_key: str, *, precision: Precision = "auto", streams: int | None = 1
) -> Network | None:
    """Compile the graph cached under an appended module's key, without torch.

    Returns:
        The network; None if the graph is missing or damaged.
    """
    path = find_graph(cache_key)
    if path is None:
        return None
    try:
        return OpenVinoNetwork(path, precision, streams=streams)
    except ModelError as error:
        _log.debug("cannot compile %s: %s", path, error)
        return None


def network_graph(backbone: Backbone, appended: AppendedModule | None) -> Any:
    """Return the backbone and the appended module as one OpenVINO graph for canvases of any size.

    The backbone's graph is cached under the backbone's name and fingerprint, and the complete graph under the
    module's key.
    """
    if appended is None:
        return features_only(_backbone_graph(backbone))
    if appended.cache_key is None:
        return _joined_graph(backbone, appended)
    return cached_graph(appended.cache_key, lambda: _joined_graph(backbone, appended))


def _backbone_graph(backbone: Backbone) -> Any:
    detail = "-detail" if backbone.detail_channels else ""
    key = f"{backbone.name}-{backbone.fingerprint[:16]}{detail}"
    return cached_graph(key, lambda: convert_backbone(backbone))


def _joined_graph(backbone: Backbone, appended: AppendedModule) -> Any:
    graph = _backbone_graph(backbone)
    if not appended.detail:
        graph = features_only(graph)
    following = convert_appended(appended.module, backbone.channels, appended.extra_input_dims)
    return append_graph(with_float32_stem(graph) if appended.float32_stem else graph, following)
