"""Registry of writers; other packages add theirs through the entry-point group ``freeloc.writers``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from freeloc._registry import Registry
from freeloc.errors import OutputError
from freeloc.writers.base import Writer, WriterOptions
from freeloc.writers.masks import check_mask_packages

__all__ = ["WRITERS", "create_writers"]

WRITERS: Final[Registry[type[Writer]]] = Registry(
    "writer",
    "freeloc.writers",
    {
        "jsonl": "freeloc.writers.jsonl:JsonlWriter",
        "console": "freeloc.writers.console:ConsoleWriter",
        "npz": "freeloc.writers.npz_maps:NpzMapsWriter",
        "overlays": "freeloc.writers.overlays:OverlaysWriter",
        "video": "freeloc.writers.annotated_video:AnnotatedVideoWriter",
        "gallery": "freeloc.writers.gallery:GalleryWriter",
        "html": "freeloc.writers.html_page:HtmlWriter",
        "csv": "freeloc.writers.csv_table:CsvWriter",
        "labelstudio": "freeloc.writers.label_studio:LabelStudioWriter",
        "cvat": "freeloc.writers.cvat_xml:CvatWriter",
        "labelme": "freeloc.writers.labelme_json:LabelmeWriter",
        "datumaro": "freeloc.writers.datumaro_json:DatumaroWriter",
        "xmp": "freeloc.writers.xmp_sidecars:XmpWriter",
        "fiftyone": "freeloc.writers.fiftyone_json:FiftyOneWriter",
        "parquet": "freeloc.writers.parquet_table:ParquetWriter",
        "coco": "freeloc.writers.coco_results:CocoResultsWriter",
        "coco-dataset": "freeloc.writers.coco_dataset:CocoDatasetWriter",
        "yolo": "freeloc.writers.yolo:YoloWriter",
        "yolo-pose": "freeloc.writers.yolo:YoloPoseWriter",
        "hf": "freeloc.writers.hf_image_folder:HfImageFolderWriter",
        "sam": "freeloc.writers.sam_prompts:SamPromptsWriter",
        "voc": "freeloc.writers.voc_dataset:VocDatasetWriter",
        "voc-cls": "freeloc.writers.voc_classification:VocClassificationWriter",
    },
)
"""All writers by name."""


def create_writers(names: Iterable[str], folder: Path | None, options: WriterOptions) -> list[Writer]:
    """Create writers by name; repeated names are ignored.

    Args:
        names: names in `WRITERS`.
        folder: the output folder; None if results go to standard output.
        options: what to write.

    Raises:
        ConfigurationError: a name is unknown.
        MissingDependencyError: a package that a writer or an option requires is not installed.
        OutputError: a writer requires an output folder, and ``folder`` is None.
    """
    classes = [WRITERS.get(name, parameter="formats") for name in dict.fromkeys(names)]
    refused = [writer.name for writer in classes if writer.needs_folder and folder is None]
    if refused:
        raise OutputError(
            f"cannot write {' and '.join(refused)}: there is no output folder; specify one", parameter="out"
        )
    if options.masks:
        check_mask_packages()  # now, and not after the first image
    return [writer(folder, options) for writer in classes]
