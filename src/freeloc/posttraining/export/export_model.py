"""Export a model as one file that other runtimes run without freeloc."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from freeloc._literals import LocationMode, Preset
from freeloc._log import NOTICE, get_logger
from freeloc._validation import Count, check_arguments, check_keywords
from freeloc.errors import ConfigurationError, OutputError
from freeloc.geometry.size import Size
from freeloc.inference.decision import DecisionRule
from freeloc.inference.network_loader import ModelSource
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.presets import ScalePlan
from freeloc.io.folders import expand_user
from freeloc.io.lock import lock_file
from freeloc.posttraining.export.requirements import check_export_available

if TYPE_CHECKING:
    import onnx as onnx_package

__all__ = ["FurtherOptions", "export_model"]

_log = get_logger(__name__)


class FurtherOptions(TypedDict, total=False):
    """Rarely used options of `export_model`."""

    location: LocationMode


@check_arguments
def export_model(
    model: str | Path,
    *,
    onnx: str | Path | None = None,
    openvino: str | Path | None = None,
    scales: tuple[float, ...] | None = None,
    preset: Preset | None = None,
    size: tuple[Count, Count] | None = None,
    weights: str | Path | None = None,
    overwrite: bool = False,
    **further: Unpack[FurtherOptions],
) -> tuple[Path, ...]:
    """Write a model as files that other programs run without freeloc, from an image to its points.

    The input ``image`` is (height, width, 3) uint8 RGB, upright. The outputs are those of a
    `freeloc.Localization`: ``scores`` and ``probabilities``, (K,) float32; ``points``, (K, 2) float32 x and y in
    image coordinates; and ``maps``, (K, rows, cols) float32 on the lattice. Resizing, all scales and the
    calibration are part of the graph, which computes in float32, even if the model has an int8 network. Points are
    salient.

    Args:
        model: a model file, a run folder, or a name; see `freeloc.models.registry.find_model`.
        onnx: the ONNX file to write.
        openvino: the OpenVINO file to write, ``.xml``; the weights are written beside it, as ``.bin``.
        scales: the scales at which images are scored; default: the model's scales.
        preset: named choice of scales; see `freeloc.inference.presets`.
        size: width and height of all images in pixels, for runtimes that require static shapes; only with one
            scale. Default: images of any size.
        weights: local weight file of the backbone; None uses the backbone's default weights.
        overwrite: whether to replace existing files.
        further: ``location``, how points are located: "fused" (default) or "paper"; see
            `freeloc.inference.fusion.localize`.

    Returns:
        The files that were written.

    Raises:
        ConfigurationError: there is no file to write, or an argument is out of range or contradicts another one.
        MissingDependencyError: the extra ``onnx`` is not installed.
        ModelError: the model does not exist, is damaged, or has a pooling that cannot be exported.
        BackboneError: the backbone cannot be loaded or converted.
        OutputError: a file exists or cannot be written, or another process is writing to it.
    """
    check_keywords("export_model", further, FurtherOptions.__annotations__)
    chosen = LocalizerOptions(scales, preset, **further)
    targets = _targets(onnx, openvino, overwrite=overwrite)
    check_export_available()
    source = ModelSource.from_file(model, weights)
    plan = chosen.scale_plan(source.header.scales)
    _check_size(size, plan)
    if source.header.int8 is not None:
        _log.log(NOTICE, "the file computes in float32: the model's int8 network is not exported")
    with ExitStack() as locks:
        for path in targets:
            locks.enter_context(lock_file(path))
        graph, metadata = _build(source, plan, chosen, None if size is None else Size(*size))
        if onnx is not None:
            from freeloc.posttraining.export.onnx_file import write_onnx

            write_onnx(graph, metadata, expand_user(onnx))
        if openvino is not None:
            from freeloc.posttraining.export.openvino_file import write_openvino

            write_openvino(graph, metadata, expand_user(openvino))
    return targets


def _targets(onnx: str | Path | None, openvino: str | Path | None, *, overwrite: bool) -> tuple[Path, ...]:
    """Return the files to write."""
    targets = [] if onnx is None else [expand_user(onnx)]
    if openvino is not None:
        structure = expand_user(openvino)
        if structure.suffix != ".xml":
            raise ConfigurationError(
                f"the OpenVINO file {structure} does not end in .xml, as OpenVINO requires: rename it",
                parameter="openvino",
            )
        targets += [structure, structure.with_suffix(".bin")]
    if not targets:
        raise ConfigurationError("there is no file to write: specify onnx or openvino", parameter="onnx")
    for path in targets:
        if not overwrite and os.path.lexists(path):
            raise OutputError(
                f"{path} already exists: choose another file, or set overwrite to replace it",
                path=path,
                parameter="overwrite",
            )
    return tuple(targets)


def _check_size(size: tuple[int, int] | None, plan: ScalePlan) -> None:
    if size is not None and len(plan.scales) > 1:
        raise ConfigurationError(
            f"a static size requires one scale, but there are {len(plan.scales)}: choose the preset 'fast', or "
            "one of the scales",
            parameter="preset",
        )


def _build(
    source: ModelSource, plan: ScalePlan, options: LocalizerOptions, size: Size | None
) -> tuple[onnx_package.ModelProto, dict[str, str]]:
    """Return the graph and the metadata."""
    from freeloc.posttraining.export.localization import Computation, build_graph
    from freeloc.posttraining.export.metadata import describe
    from freeloc.posttraining.export.network import convert_network
    from freeloc.posttraining.export.pooling import pooling_function

    header = source.header
    pooling_function(header.pooling)  # raises the error before the network is converted
    decision = DecisionRule(header.calibration, header.threshold, header.box_threshold)
    computation = Computation(
        network=convert_network(source.backbone, source.model.head),
        plan=plan,
        pyramid=header.pyramid,
        layout=source.layout,
        pad_color=source.pad_color,
        pooling=header.pooling,
        decision=decision,
        location=options.location,
        size=size,
    )
    return build_graph(computation), describe(source, decision, plan, options)
