"""Names of studies and of the paper's configurations."""

from __future__ import annotations

from typing import get_args

import pytest

from freeloc.cli.reproduce import StudyName
from freeloc.errors import ConfigurationError
from freeloc.nn.backbones.registry import check_backbone
from freeloc.paper import PRESETS, STUDIES, find_preset, find_study


def test_the_program_accepts_every_name() -> None:
    assert set(get_args(StudyName)) == {*STUDIES, *PRESETS}


def test_a_configuration_of_the_paper_is_a_study_with_its_backbone() -> None:
    assert find_study("paper-voc2012") is STUDIES["voc2012"]
    assert find_study("paper-coco2014") is STUDIES["coco2014"]
    voc, coco = find_preset("paper-voc2012"), find_preset("paper-coco2014")
    assert voc is not None
    assert coco is not None
    assert (voc.backbone, voc.letter) == ("alexnet", True)
    assert (coco.backbone, coco.letter) == ("overfeat", True)
    for preset in PRESETS.values():
        check_backbone(preset.backbone)


@pytest.mark.parametrize("name", STUDIES)
def test_other_studies_keep_the_defaults(name: str) -> None:
    assert find_preset(name) is None


def test_an_unknown_name() -> None:
    for find in (find_study, find_preset):
        with pytest.raises(
            ConfigurationError, match=r"study is 'voc': choose one of voc2012, .*paper-coco2014"
        ):
            find("voc")
