"""Datasets on which the paper can be reproduced, each with its evaluation protocol."""

from __future__ import annotations

from dataclasses import dataclass

from freeloc.errors import ConfigurationError
from freeloc.metrics import APFlavour

__all__ = ["PRESETS", "STUDIES", "Study", "StudyPreset", "find_preset", "find_study"]


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


@dataclass(frozen=True, slots=True)
class StudyPreset:
    """A study in the paper's own configuration, apart from the weights of the backbone.

    Attributes:
        study: name of the study.
        backbone: name of the backbone: the kind of network that the paper used for these data (sections 3 and 5 of
            the paper).
        letter: whether the paper's rows are trained to the letter of the paper.
        other_weights: what to tell a user who specifies no weights; "" if there are none to download.
    """

    study: str
    backbone: str
    letter: bool = True
    other_weights: str = ""


PRESETS: dict[str, StudyPreset] = {
    "paper-voc2012": StudyPreset(
        "voc2012",
        "alexnet",
        other_weights="no weights are specified, so those of torchvision's AlexNet are used, which is not the "
        "paper's network: it was trained on 1000 instead of 1512 classes",
    ),
    "paper-coco2014": StudyPreset("coco2014", "overfeat"),
}


def find_preset(name: str) -> StudyPreset | None:
    """Return the preset with the given name; None if it is the name of a study, which has none.

    Raises:
        ConfigurationError: the name is unknown.
    """
    if name in PRESETS:
        return PRESETS[name]
    find_study(name)
    return None


def find_study(name: str) -> Study:
    """Return the study with the given name, or the one of a preset with that name.

    Raises:
        ConfigurationError: the name is unknown.
    """
    preset = PRESETS.get(name)
    try:
        return STUDIES[name if preset is None else preset.study]
    except KeyError as error:
        raise ConfigurationError(
            f"study is {name!r}: choose one of {', '.join((*STUDIES, *PRESETS))}", parameter="study"
        ) from error
