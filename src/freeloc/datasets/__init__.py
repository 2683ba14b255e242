"""Tagged images from VOC devkits, COCO files and tag lists, all through one door.

Example:
    ::

        from freeloc.datasets import open_dataset

        data = open_dataset("VOCdevkit/VOC2012", split="val", boxes=True)
        for sample in data:
            print(sample.path, sample.labels, sample.boxes)
"""

from freeloc.datasets.coco.reader import category_ids
from freeloc.datasets.dataset import ABSENT, IGNORE, PRESENT, AnnotatedBox, Dataset, Labels, Sample
from freeloc.datasets.open_dataset import DataFormat, open_dataset
from freeloc.datasets.problems import DataProblems, Problem, ProblemKind
from freeloc.datasets.voc.reader import VOC_CLASSES

__all__ = [
    "ABSENT",
    "IGNORE",
    "PRESENT",
    "VOC_CLASSES",
    "AnnotatedBox",
    "DataFormat",
    "DataProblems",
    "Dataset",
    "Labels",
    "Problem",
    "ProblemKind",
    "Sample",
    "category_ids",
    "open_dataset",
]
