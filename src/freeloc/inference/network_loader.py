"""Load models and compile their networks, without torch where possible."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from freeloc._log import get_logger
from freeloc.errors import BackboneError, ModelError
from freeloc.geometry.grid import CellLayout
from freeloc.inference.int8_advice import HOW_TO_CREATE_INT8
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.provenance import ModelIdentity
from freeloc.inference.scoring_graph import graph_key, scoring_layers
from freeloc.io.limits import MIN_NETWORK_MEMORY, check_memory_limit
from freeloc.models.file_access import changed
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.int8_weights import has_current_int8
from freeloc.models.registry import model_name
from freeloc.runtime import (
    Network,
    Precision,
    QuantizedGraph,
    bfloat16_is_faster,
    compile_cached,
    compile_network,
    compile_quantized,
    cpu_supports_int8,
    is_graph_cached,
)
from freeloc.runtime.hardware import KERNEL_LIMIT, kernel_limit
from freeloc.runtime.processors import explain_precision, processor_kind

if TYPE_CHECKING:  # torch takes seconds to load
    from freeloc.models.model import Model
    from freeloc.nn.backbones.base import Backbone

__all__ = ["ModelSource", "NetworkLoader"]

_log = get_logger(__name__)


class ModelSource:
    """A model and its backbone, each loaded on first use.

    Args:
        header: the model's header.
        content_hash: hash of the model file; None for a model that was not loaded from a file.
        name: name of the model, for its results; None if it has none.
        load_model: function that returns the model.
        load_backbone: function that returns the backbone on which the model was trained.
        load_int8: function that returns the model's int8 network.
        has_current_int8: function that returns whether this network was created from the model's weights; True if
            that is not known.
    """

    def __init__(
        self,
        header: ModelHeader,
        content_hash: str | None,
        name: str | None,
        load_model: Callable[[], Model],
        load_backbone: Callable[[], Backbone],
        load_int8: Callable[[], QuantizedGraph | None],
        has_current_int8: Callable[[], bool],
    ) -> None:
        self.header = header
        version = None if header.card is None else header.card.version or None
        self.identity = ModelIdentity(name, version, content_hash)
        self.graph_key = None if content_hash is None else graph_key(header, content_hash)
        self.load_int8 = load_int8
        self.has_current_int8 = has_current_int8
        self._load_model = load_model
        self._load_backbone = load_backbone

    @classmethod
    def from_model(cls, model: Model, backbone: Backbone) -> ModelSource:
        """Return the source of a model in memory.

        Raises:
            BackboneError: the model was not trained on ``backbone``.
        """
        # A model whose weights were modified in memory must neither use nor replace the cached graph of its file.
        content_hash = model.content_hash if model.is_as_loaded() else None
        name = None if model.header.card is None else model.header.card.name
        source = cls(
            model.header,
            content_hash,
            name,
            lambda: model,
            lambda: backbone,
            lambda: model.int8,
            model.has_current_int8,
        )
        _ = source.backbone  # raises the error now rather than at the first prediction
        return source

    @classmethod
    def from_file(cls, model: str | Path, weights: str | Path | None = None) -> ModelSource:
        """Return the source of a model file.

        Args:
            model: a model file, the run folder that contains it, or a name; see
                `freeloc.models.registry.find_model`.
            weights: weight file of the backbone; default: its published weights.

        Raises:
            ModelError: the model does not exist, is damaged, or was written by a newer version of freeloc.
            BackboneError: the model was not trained on ``weights``.
            ResourceError: the address space of this process is limited to less than a network needs.
        """
        check_memory_limit(MIN_NETWORK_MEMORY)
        file = ModelFile.open(model)

        def load_model() -> Model:
            from freeloc.models.model import Model

            loaded = Model.load(file.path)
            if loaded.content_hash != file.content_hash:
                raise changed(file.path)
            return loaded

        def load_backbone() -> Backbone:
            from freeloc.nn.backbones.registry import load_backbone

            return load_backbone(file.header.backbone, weights, download=False)

        name = model_name(file.path)
        source = cls(
            file.header,
            file.content_hash,
            name,
            load_model,
            load_backbone,
            file.int8_graph,
            lambda: has_current_int8(file),
        )
        if weights is not None:
            _ = source.backbone  # raises the error now rather than at the first prediction
        return source

    @cached_property
    def model(self) -> Model:
        """The head and its header."""
        return self._load_model()

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, including weights changed by training.

        Raises:
            BackboneError: the model was trained on different weights.
        """
        backbone = self.model.adapt_backbone(self._load_backbone())
        if backbone.fingerprint != self.header.backbone_fingerprint:
            raise BackboneError(
                f"the weights loaded for backbone {self.header.backbone} are not those on which the model was "
                "trained: specify the weights used in training",
                parameter="weights",
            )
        return backbone

    @cached_property
    def layout(self) -> CellLayout:
        """The backbone's layout of cells."""
        return self.backbone.layout if self.header.layout is None else self.header.layout

    @cached_property
    def pad_color(self) -> tuple[int, int, int]:
        """RGB color of the padding."""
        return self.backbone.pad_color if self.header.pad_color is None else self.header.pad_color


class NetworkLoader:
    """Compiles a model's network in the fastest way that the options allow.

    In order of preference, the network is the model's int8 network, its cached scoring graph, or its backbone and
    head, converted from torch. The first two run without torch, provided that the header stores the backbone's
    layout.

    Args:
        source: the model.
        options: how the model is run.

    Raises:
        ModelError: the options require an int8 network, but the model has none, or it is damaged or was created
            from other weights.
    """

    def __init__(self, source: ModelSource, options: LocalizerOptions) -> None:
        self._source = source
        self._options = options
        self._precision: Precision = "auto"
        self._int8: QuantizedGraph | None = None
        self._has_int8: bool | None = source.header.int8 is not None
        self._started: _Compilation | None = None
        self._cache_key = source.graph_key if options.uses_openvino else None
        precision = options.network_precision(has_int8=source.header.int8 is not None)
        if precision == "int8":
            graph = _load_int8(source)
            if _is_usable(source, options):
                self._int8 = graph
                if options.precision == "auto":
                    _log.info(explain_precision("int8"))
                return
            precision = "auto"
            self._has_int8 = None  # the log already says why it is not used
        self._precision = precision
        if not self._is_converted():
            _ = source.backbone  # raises any error now rather than at the first prediction

    def start(self, *, streams: int | None) -> None:
        """Start compiling the network in a thread, unless it must be converted from torch first.

        The next call of `compile` with the same number of streams waits for it.
        """
        if self._is_converted():
            self._started = _Compilation(self._compile, streams)

    def compile(self, *, streams: int | None) -> Network:
        """Return the network, ready to run.

        Args:
            streams: number of canvases that are computed at the same time, sharing the cores equally; None for
                one canvas per core, which is the fastest for many images.
        """
        started = self._started
        if started is None or not started.is_of(streams):
            return self._compile(streams)
        return started.result()

    def _is_converted(self) -> bool:
        """Return whether the network need not be converted from torch."""
        return self._int8 is not None or (self._cache_key is not None and is_graph_cached(self._cache_key))

    @cached_property
    def _float_precision(self) -> Precision:
        """The precision of the float network; "auto" if torch runs it, whose choice depends on the device."""
        if self._precision != "auto" or not self._options.uses_openvino:
            return self._precision
        precision: Precision = "bfloat16" if bfloat16_is_faster("cpu") else "float32"
        _log.info(explain_precision(precision, has_int8=self._has_int8))
        return precision

    def _compile(self, streams: int | None) -> Network:
        if self._int8 is not None:
            return compile_quantized(self._int8, streams=streams)
        if self._cache_key is not None:
            network = compile_cached(self._cache_key, precision=self._float_precision, streams=streams)
            if network is not None:
                return network
        return compile_network(
            self._source.backbone,
            scoring_layers(self._source.backbone, self._source.model.head, self._source.graph_key),
            runtime=self._options.runtime,
            precision=self._float_precision,
            streams=streams,
            batch=self._options.batch,
        )


class _Compilation:
    """The compilation of a network in a thread.

    Args:
        compile_network: function that compiles it.
        streams: the argument of the function.
    """

    def __init__(self, compile_network: Callable[[int | None], Network], streams: int | None) -> None:
        self._owner, self._streams = os.getpid(), streams
        # Like `freeloc.io.prefetch`, this uses a queue, which Ctrl-C cannot leave locked.
        self._outcome: SimpleQueue[Network | Exception] = SimpleQueue()

        def attempt() -> None:
            try:
                self._outcome.put(compile_network(streams))
            except Exception as error:  # noqa: BLE001 - raised by `result`
                self._outcome.put(error)

        Thread(target=attempt, name="compile", daemon=True).start()

    def is_of(self, streams: int | None) -> bool:
        """Return whether this is the compilation for a number of streams, and was not started before a fork."""
        return (self._owner, self._streams) == (os.getpid(), streams)

    def result(self) -> Network:
        """Wait for the network, and return it to any number of callers."""
        outcome = self._outcome.get()
        self._outcome.put(outcome)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _load_int8(source: ModelSource) -> QuantizedGraph:
    graph = source.load_int8()
    if graph is None:
        raise ModelError(
            f"the model has no int8 network: create one {HOW_TO_CREATE_INT8}, or choose another precision",
            parameter="precision",
        )
    return graph


def _is_usable(source: ModelSource, options: LocalizerOptions) -> bool:
    """Return whether a model's int8 network fits the model and this processor; if not, the log says so.

    Raises:
        ModelError: the options require the network, but the model's weights have changed.
    """
    if not source.has_current_int8():
        reason = "the model's weights have changed since its int8 network was created"
        if options.precision == "int8":
            raise ModelError(
                f"{reason}: create it again {HOW_TO_CREATE_INT8}, or choose another precision",
                parameter="precision",
            )
        _log.warning("%s, so it is not used: create it again %s", reason, HOW_TO_CREATE_INT8)
        return False
    if not cpu_supports_int8():
        limit = f", held to {kernel_limit()} by {KERNEL_LIMIT}" if kernel_limit() else ""
        _log.warning(
            "the int8 network is not used on this processor (%s%s), where it would be inaccurate or cannot run: "
            "the precision is chosen automatically",
            processor_kind().name,
            limit,
        )
        return False
    return True
