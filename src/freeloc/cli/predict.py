"""``freeloc predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from freeloc import _literals as choices
from freeloc.cli.image_arguments import Recursive, read_image_arguments
from freeloc.cli.options import (
    Classes,
    InferencePrecision,
    Location,
    ModelName,
    PeakThreshold,
    Point,
    Preset,
    Quiet,
    Runtime,
    Scales,
    SkipBad,
    Verbose,
    Weights,
    parse_scales,
    read_classes,
)
from freeloc.cli.writer_options import (
    OUTPUT,
    Boxes,
    ImageFilesOption,
    MaskEncodingOption,
    Masks,
    MergeSidecars,
    MinBoxScore,
    Peaks,
    Threshold,
)

__all__ = ["predict"]


def predict(
    model: ModelName,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...",
            help="Images, videos, folders of images, quoted glob patterns, @FILE with one path per line, or - for "
            "such a list or an image on standard input.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results; - prints them as JSON Lines. Default: print them, as JSON Lines if "
            "standard output is not a terminal."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the unfinished output in --out. The same command without this option does so, too, but "
            "does not say so if there is none.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Remove the earlier output in --out first: the files that its manifest lists. Replace an "
            "existing --gallery.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    preset: Preset = None,
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay",
            help="Also write one overlay per image, with the map and point of each present class.",
        ),
    ] = False,
    gallery: Annotated[
        Path | None,
        typer.Option(
            help="Also write an HTML page with the images in most doubt, sorted by doubt or by class. "
            "Default: none.",
        ),
    ] = None,
    peaks: Peaks = 0,
    boxes: Boxes = 0,
    masks: Masks = False,
    threshold: Threshold = None,
    every: Annotated[
        int,
        typer.Option(
            metavar="N", help="Predict the frames 0, N, 2N and so on of each video. Default: all.", min=1
        ),
    ] = 1,
    recursive: Recursive = True,
    classes: Classes = None,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - acts by its callback
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="What to write: jsonl, console, csv, parquet, html, overlays, video, gallery, npz, labelstudio, "
            "cvat, labelme, datumaro, fiftyone, xmp, coco (results), coco-dataset, yolo, yolo-pose, voc, hf, sam, "
            "voc-cls (scores for Pascal VOC's server), or a writer from an installed package. Default: jsonl with "
            "--out, console without (with --gallery, only on a terminal). Repeatable.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    mask_encoding: MaskEncodingOption = None,
    min_box_score: MinBoxScore = 0.35,
    image_files: ImageFilesOption = "link",
    merge_sidecars: MergeSidecars = False,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also write the score maps as .npz files.", rich_help_panel=OUTPUT)
    ] = False,
    map_size: Annotated[
        choices.MapSize,
        typer.Option(
            help="Resolution of the maps. image: one value per pixel, for present classes; lattice: one value "
            "for each 8 pixels at scale 1, as computed, for all classes.",
            rich_help_panel=OUTPUT,
        ),
    ] = "image",
    pictures: Annotated[
        choices.Pictures,
        typer.Option(
            help="Whether to print a small picture of each image. auto: on terminals that say that they can show "
            "pictures (kitty, iTerm2, sixel); no: never.",
            rich_help_panel=OUTPUT,
        ),
    ] = "auto",
    location: Location = "fused",
    point: Point = "salient",
    peak_threshold: PeakThreshold = 0.5,
    scales: Scales = None,
    weights: Weights = None,
    runtime: Runtime = "auto",
    precision: InferencePrecision = "auto",
) -> None:
    """Predict the score, point and map of every class in each image, or in the frames of videos."""
    from freeloc.images.video_formats import is_video
    from freeloc.inference.localizer import Localizer
    from freeloc.io.lock import check_free_folder
    from freeloc.io.terminal import is_terminal

    # Records on standard output are for other programs; who asks for a page alone does not read them.
    is_page_alone = gallery is not None and out is None and not is_terminal(sys.stdout)
    chosen = formats or ([] if is_page_alone else ["console" if out is None else "jsonl"])
    folder = None if out is None or str(out) == "-" else out
    exclude = []
    if folder is not None:
        from freeloc.writers import WRITERS

        check_free_folder(folder)
        # Images that an earlier call wrote there are not to be predicted.
        places = [WRITERS.get(name, parameter="formats").place for name in ("overlays", *chosen)]
        exclude = [folder / place for place in places if place is not None]
    if gallery is not None:
        from freeloc.writers.gallery import check_gallery_path

        check_gallery_path(gallery)
    paths = read_image_arguments(images, recursive=recursive, quiet=quiet, exclude=exclude, takes_videos=True)
    localizer = Localizer.load(
        model,
        weights=weights,
        scales=parse_scales(scales),
        preset=preset,
        location=location,
        runtime=runtime,
        precision=precision,
        point=point,
        peak_threshold=peak_threshold,
        classes=read_classes(classes),
    )
    localizer.start_preparing(many=len(paths) > 1 or is_video(paths[0]))
    # Meanwhile, the rest is loaded.
    from freeloc.prediction.predict_files import PredictionOptions, predict_files

    options = PredictionOptions(
        threshold=threshold,
        peaks=peaks,
        boxes=boxes,
        masks=masks,
        mask_encoding=mask_encoding,
        min_box_score=min_box_score,
        image_files=image_files,
        merge_sidecars=merge_sidecars,
        map_size=map_size,
        gallery=gallery,
        pictures=pictures,
        formats=(*chosen, *["overlays"] * overlay, *["npz"] * maps, *["gallery"] * (gallery is not None)),
        skip_bad=skip_bad,
        every=every,
    )
    predict_files(localizer, paths, out, options, resume=resume, overwrite=overwrite, quiet=quiet)
