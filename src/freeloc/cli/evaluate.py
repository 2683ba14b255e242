"""``freeloc evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from freeloc import _literals as choices
from freeloc.cli.options import (
    Aliases,
    Ancestors,
    Classes,
    FoldCase,
    Format,
    Images,
    InferencePrecision,
    MinImages,
    MinusOne,
    Point,
    Preset,
    Quiet,
    RescaleBoxes,
    Runtime,
    Scales,
    SkipBad,
    Split,
    Untagged,
    Verbose,
    Weights,
    complete_model,
    parse_scales,
    read_classes,
)
from freeloc.errors import ConfigurationError, FreelocError

if TYPE_CHECKING:
    from freeloc.datasets import Dataset
    from freeloc.evaluation.collect import Predictions
    from freeloc.evaluation.options import EvaluationOptions

__all__ = ["evaluate"]

LOCATION: Final = "Location AP"
POINTING: Final = "Pointing game"
OTHER: Final = "Box AP, calibration error, intervals, server"


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Model file, run folder of freeloc train, or a name from freeloc models; not needed with "
            "--detections.",
            autocompletion=complete_model,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="Pascal VOC devkit, COCO JSON file or folder, tag list (.csv, .jsonl), or folder of images. "
            "Without boxes, only the scores of images are evaluated.",
        ),
    ] = None,
    split: Split = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Another model to include in the same table. Repeatable. Default: none."),
    ] = None,
    detections: Annotated[
        list[Path] | None,
        typer.Option(
            help="Results of a detector to include in the same table: COCO results JSON, or VOC comp3 or comp4 "
            "files. Repeatable. Default: none."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the full results. Default: none.")] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the models' scores of each image, as files for the evaluation server of Pascal VOC; "
            "DATA then needs no annotations. Default: none.",
            rich_help_panel=OTHER,
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            help="HTML file that shows every image with the points of MODEL, right and wrong; reduced images are "
            "written to a folder beside it. Default: none."
        ),
    ] = None,
    preset: Preset = None,
    classes: Classes = None,
    ap: Annotated[
        choices.APFlavour,
        typer.Option(
            help="Definition of average precision. area: VOC since 2010; 11point: VOC 2007; step: scikit-learn.",
            rich_help_panel=OTHER,
        ),
    ] = "area",
    resamples: Annotated[
        int, typer.Option(help="Number of bootstrap resamples for the 95% intervals.", min=1)
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Random seed for the resampling.", rich_help_panel=OTHER)] = 0,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - acts by its callback
    ranking: Annotated[
        choices.LocationRanking,
        typer.Option(
            help="Rank images by the class's score, or by the value of its map at the point (response).",
            rich_help_panel=LOCATION,
        ),
    ] = "score",
    tolerance: Annotated[
        float,
        typer.Option(
            help="Maximum distance from a point to a box, in pixels, for a hit.", rich_help_panel=LOCATION
        ),
    ] = 18.0,
    tolerance_frame: Annotated[
        choices.ToleranceFrame,
        typer.Option(
            help="Unit of --tolerance: pixels of the original image, or of the image resized so that its longest "
            "side is 500.",
            rich_help_panel=LOCATION,
        ),
    ] = "original",
    distance: Annotated[
        choices.BoxDistance,
        typer.Option(
            help="How --tolerance extends a box. box: equally on every side; euclidean: with rounded corners.",
            rich_help_panel=LOCATION,
        ),
    ] = "box",
    difficult: Annotated[
        choices.FlaggedBoxPolicy,
        typer.Option(
            help="How to count a point that lies only in difficult boxes.", rich_help_panel=LOCATION
        ),
    ] = "hit",
    crowd: Annotated[
        choices.FlaggedBoxPolicy,
        typer.Option(help="How to count a point that lies only in crowd boxes.", rich_help_panel=LOCATION),
    ] = "ignore",
    pointing_tolerance: Annotated[
        float,
        typer.Option(help="Radius of the disc around the point, in pixels.", rich_help_panel=POINTING),
    ] = 15.0,
    pointing_reach: Annotated[
        choices.Reach,
        typer.Option(
            help="What the disc must touch. edge: the edge of the box; pixel: the center of a pixel in the box.",
            rich_help_panel=POINTING,
        ),
    ] = "edge",
    pointing_difficult: Annotated[
        choices.FlaggedBoxPolicy,
        typer.Option(
            help="How to count a point that lies only in difficult boxes.", rich_help_panel=POINTING
        ),
    ] = "hit",
    pointing_crowd: Annotated[
        choices.FlaggedBoxPolicy,
        typer.Option(help="How to count a point that lies only in crowd boxes.", rich_help_panel=POINTING),
    ] = "hit",
    box_iou: Annotated[
        list[float],
        typer.Option(
            help="Minimum IoU for a box of --detections to count as a hit. Repeatable.", rich_help_panel=OTHER
        ),
    ] = [0.5, 0.3, 0.1],  # noqa: B006 - typer copies it
    calibration_bins: Annotated[
        int, typer.Option(help="Number of bins for the calibration error.", min=1, rich_help_panel=OTHER)
    ] = 15,
    calibration_binning: Annotated[
        choices.Binning,
        typer.Option(
            help="width: bins of equal width; mass: bins with equal numbers of (image, class) pairs.",
            rich_help_panel=OTHER,
        ),
    ] = "width",
    format_: Format = "auto",
    images: Images = None,
    rescale_boxes: RescaleBoxes = False,
    minus_one: MinusOne = None,
    ancestors: Ancestors = False,
    aliases: Aliases = None,
    fold_case: FoldCase = False,
    min_images: MinImages = 0,
    untagged: Untagged = "absent",
    point: Point = "salient",
    scales: Scales = None,
    weights: Weights = None,
    runtime: Runtime = "auto",
    precision: InferencePrecision = "auto",
) -> None:
    """Evaluate models or detectors on tagged images: AP, calibration error, thresholds.

    If the images have annotated boxes, also evaluate locations: location AP, pointing game, box AP.
    """
    import json

    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.datasets.detections import read_detections
    from freeloc.evaluation.annotations import check_evaluable, check_predictable
    from freeloc.evaluation.collect import collect
    from freeloc.evaluation.common_classes import common_classes, evaluated_classes
    from freeloc.evaluation.evaluate import evaluate as measure
    from freeloc.evaluation.inputs import shown_names
    from freeloc.evaluation.options import EvaluationOptions
    from freeloc.inference.localizer import Localizer
    from freeloc.io.atomic import check_writable, write_text
    from freeloc.io.progress import print_status
    from freeloc.metrics import CalibrationOptions, LocationOptions, PointingOptions
    from freeloc.models.registry import find_model
    from freeloc.visualization.evaluation_table import print_evaluation

    if data is None and detections:
        # With --detections, MODEL is optional, so a single path is DATA.
        model, data = None, None if model is None else Path(model)
    if data is None:
        raise typer.BadParameter("specify MODEL and DATA, or --detections and DATA", param_hint="'DATA'")
    options = EvaluationOptions(
        flavour=ap,
        location=LocationOptions(
            ranking=ranking,
            tolerance=tolerance,
            tolerance_frame=tolerance_frame,
            distance=distance,
            difficult=difficult,
            crowd=crowd,
            flavour=ap,
        ),
        pointing=PointingOptions(
            tolerance=pointing_tolerance,
            reach=pointing_reach,
            difficult=pointing_difficult,
            crowd=pointing_crowd,
        ),
        resamples=resamples,
        seed=seed,
        box_iou=tuple(box_iou),
        calibration=CalibrationOptions(calibration_bins, calibration_binning),
    )
    if out is not None:
        check_writable(out)
    _check_results(results, model)
    _check_gallery(gallery, model)
    given = detections or []
    if given:
        _refuse_for_detections(aliases=aliases, fold_case=fold_case, min_images=min_images)
    models = [find_model(item) for item in (*([] if model is None else [model]), *(against or []))]
    every = shown_names([*models, *given])
    names, detectors = every[: len(models)], every[len(models) :]
    localizers = [
        Localizer.load(
            path,
            weights=weights,
            scales=parse_scales(scales),
            preset=preset,
            runtime=runtime,
            precision=precision,
            point=point,
        )
        for path in models
    ]
    named = dict(zip(names, localizers, strict=True))
    known = {name: item.classes for name, item in named.items()}
    wanted = common_classes(known, read_classes(classes)) if known else read_classes(classes)
    # Detections may refer to classes by their numbers in the dataset, so classes are then chosen afterwards.
    opened = localizers[0].classes if given and localizers else None if given else wanted
    everything = open_dataset(
        data,
        split=split,
        format=format_,
        images=images,
        classes=opened,
        boxes=True,
        skip_bad=skip_bad,
        checks=DatasetChecks(
            quiet=quiet,
            rescale_boxes=rescale_boxes,
            minus_one=minus_one,
            ancestors=ancestors,
            unannotated=True,
        ),
        aliases=aliases,
        fold_case=fold_case,
        min_images=min_images,
        untagged=untagged,
    )
    if not everything.has_labels:
        measuring = {"gallery": gallery, "detections": detections, "out": out}
        measured = next((name for name, value in measuring.items() if value), None)
        check_predictable(everything, known, results=results is not None, measured=measured)
        _write_results(
            results,
            everything,
            [collect(item, everything, name, quiet=quiet) for name, item in named.items()],
            split,
            quiet=quiet,
        )
        return
    check_evaluable(everything, {})
    dataset = everything.select_classes(evaluated_classes(everything, wanted))
    check_evaluable(dataset, known)
    _check_gallery(gallery, model, dataset)
    labels = [everything.classes.index(name) for name in dataset.classes]
    found = {
        name: read_detections(path, everything, data=data, split=split, format=format_).select_classes(labels)
        for name, path in zip(detectors, given, strict=True)
    }
    predictions = [collect(item, dataset, name, quiet=quiet) for name, item in named.items()]
    _write_results(results, dataset, predictions, split, quiet=quiet)
    evaluation = measure(predictions, dataset, options, detections=found)
    failure: FreelocError | None = None
    if out is not None:
        try:
            write_text(out, json.dumps(evaluation.to_dict(), indent=2) + "\n")
        except FreelocError as error:  # the results are printed before the program ends
            failure = error
    print_evaluation(evaluation)
    if failure is not None:
        raise failure
    if out is not None and not quiet:
        print_status(f"wrote {out}")
    _write_gallery(gallery, dataset, predictions, options, quiet=quiet)


def _refuse_for_detections(**options: object) -> None:
    """Refuse options that change the classes of the dataset, to whose names or numbers detections refer."""
    for name, value in options.items():
        if value:
            raise ConfigurationError(
                f"{name} changes the classes to which the detections refer: omit it", parameter=name
            )


def _check_gallery(path: Path | None, model: str | None, dataset: Dataset | None = None) -> None:
    from freeloc.writers.evaluation_gallery import check_evaluation_gallery, check_has_boxes

    if path is None:
        return
    check_evaluation_gallery(path)
    if model is None:
        raise ConfigurationError("gallery shows the points of a model: specify a model", parameter="gallery")
    if dataset is not None:
        check_has_boxes(dataset)


def _write_gallery(
    path: Path | None,
    dataset: Dataset,
    predictions: list[Predictions],
    options: EvaluationOptions,
    *,
    quiet: bool,
) -> None:
    """Write the gallery of the first model, if one is requested, and say where it is."""
    from freeloc.io.progress import print_status
    from freeloc.writers.evaluation_gallery import write_evaluation_gallery

    if path is None:
        return
    write_evaluation_gallery(path, predictions[0], dataset, options=options.location, quiet=quiet)
    if not quiet:
        print_status(f"wrote {path}")


def _check_results(folder: Path | None, model: str | None) -> None:
    from freeloc.io.atomic import check_output_folder

    if folder is None:
        return
    check_output_folder(folder)
    if model is None:
        raise ConfigurationError("results are the scores of models: specify a model", parameter="results")


def _write_results(
    folder: Path | None, dataset: Dataset, predictions: list[Predictions], split: str | None, *, quiet: bool
) -> None:
    """Write the models' scores to a folder, if one is set, and say where they are."""
    from freeloc.io.progress import print_status
    from freeloc.writers.server_scores import write_server_scores

    if folder is None:
        return
    for place in write_server_scores(folder, dataset, predictions, split):
        if not quiet:
            print_status(f"wrote {place}")
