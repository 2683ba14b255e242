"""Datasets on which the paper can be reproduced, each with its evaluation protocol."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc.errors import ConfigurationError
from freeloc.metrics import APFlavour

__all__ = ["STUDIES", "Study", "find_study"]


@dataclass(frozen=True, slots=True)
class Study:
    """Splits and protocol of a dataset.

    Attributes:
        name: name on the command line.
        title: name in the report.
        train_split: default split for training.
        val_split: default split for evaluation.
        flavour: definition of average precision.
        size: numbers of training images and evaluation images of the default splits, and of classes.
        devkit: subfolder of ``results`` for result files in the format of the VOC devkit; None for datasets other
            than VOC.
    """

    name: str
    title: str
    train_split: str
    val_split: str
    size: tuple[int, int, int]
    flavour: APFlavour = "area"
    devkit: str | None = None


STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study("voc2012", "Pascal VOC 2012", "train", "val", (5717, 5823, 20), devkit="VOC2012"),
        Study(
            "voc2007", "Pascal VOC 2007", "trainval", "test", (5011, 4952, 20), "11point", devkit="VOC2007"
        ),
        Study("coco2014", "MS COCO 2014", "train2014", "val2014", (82_783, 40_504, 80)),
        Study("coco2017", "MS COCO 2017", "train2017", "val2017", (118_287, 5000, 80)),
    )
}


def find_study(name: str) -> Study:
    """Return the study with the given name.

    Raises:
        ConfigurationError: the name is unknown.
    """
    try:
        return STUDIES[name]
    except KeyError as error:
        raise ConfigurationError(
            f"study is {name!r}: choose one of {', '.join(STUDIES)}", parameter="study"
        ) from error
