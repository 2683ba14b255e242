"""Read tagged images from VOC devkits, COCO files, tag lists and any other registered format.

Example:
    >>> from freeloc.datasets import open_dataset
    >>> data = open_dataset("VOCdevkit/VOC2012", split="val", boxes=True)
    >>> for sample in data:
    ...     print(sample.path.name, sample.labels.max(), sample.boxes)
    000003.jpg 1 (AnnotatedBox(label=11, x1=0.0, y1=0.0, x2=40.0, y2=30.0, difficult=False, crowd=False),)
"""

from freeloc.datasets.builder import DatasetBuilder, make_labels
from freeloc.datasets.coco.reader import category_ids
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, AnnotatedBox, Dataset, Labels, Sample
from freeloc.datasets.formats import FORMATS, DatasetFormat
from freeloc.datasets.open_dataset import open_dataset
from freeloc.datasets.options import DatasetChecks, OpenOptions
from freeloc.datasets.problems import DataProblems, Problem, ProblemKind
from freeloc.datasets.tag_report import TagCount, TagReport
from freeloc.datasets.tag_rules import TagRules
from freeloc.datasets.voc.reader import VOC_CLASSES

__all__ = [
    "ABSENT",
    "FORMATS",
    "IGNORE",
    "PRESENT",
    "VOC_CLASSES",
    "AnnotatedBox",
    "DataProblems",
    "Dataset",
    "DatasetBuilder",
    "DatasetChecks",
    "DatasetFormat",
    "Labels",
    "OpenOptions",
    "Problem",
    "ProblemKind",
    "Sample",
    "TagCount",
    "TagReport",
    "TagRules",
    "category_ids",
    "make_labels",
    "open_dataset",
]
