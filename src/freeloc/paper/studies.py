"""The data sets of the paper and their protocols, by name."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc.errors import FreelocError
from freeloc.metrics import APFlavour

__all__ = ["STUDIES", "Study", "named_study"]


@dataclass(frozen=True, slots=True)
class Study:
    """How a data set is split and measured.

    Attributes:
        name: as the command line has it.
        title: as the report has it.
        train_split: default list of the images trained on.
        val_split: default list of the images measured on.
        flavour: how a precision-recall curve becomes one number there.
        devkit: folder of VOC result files below ``results``; None where there is no such protocol.
    """

    name: str
    title: str
    train_split: str
    val_split: str
    flavour: APFlavour = "area"
    devkit: str | None = None


STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study("voc2012", "Pascal VOC 2012", "train", "val", devkit="VOC2012"),
        Study("voc2007", "Pascal VOC 2007", "trainval", "test", "11point", devkit="VOC2007"),
        Study("coco2014", "MS COCO 2014", "train2014", "val2014"),
        Study("coco2017", "MS COCO 2017", "train2017", "val2017"),
    )
}


def named_study(name: str) -> Study:
    """A study by name.

    Raises:
        FreelocError: there is no such study.
    """
    try:
        return STUDIES[name]
    except KeyError as error:
        raise FreelocError(f"there is no study {name}: choose one of {', '.join(STUDIES)}") from error
