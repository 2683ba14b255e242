"""``freeloc backbones``, and short names wherever a backbone is chosen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from freeloc.cli import backbones as command
from freeloc.cli.options import complete_backbone
from freeloc.nn.backbones.catalog import CATALOG
from freeloc.training.settings import TrainingSettings


def test_one_line_per_backbone(freeloc: Callable[..., Any]) -> None:
    answer = freeloc("backbones")
    assert (answer.code, answer.err) == (0, "")
    lines = [line.split("\t") for line in answer.out.splitlines()]
    assert [line[0] for line in lines] == [facts.name for facts in CATALOG]
    by_name = {line[0]: line[1:] for line in lines}
    assert by_name["efficientnet_lite2"][-1] == "included"
    assert by_name["overfeat"][2:] == ["not commercial", "140559488", "36", "4096", "--weights FILE"]
    assert by_name["dinov2-small"] == [
        *("timm:vit_small_patch14_dinov2.lvd142m", "Apache-2.0", "commercial", "22056192", "14", "384"),
        "hub: timm/vit_small_patch14_dinov2.lvd142m at 4610ca1 (pinned), or --weights FILE",
    ]
    assert by_name["fastvit-t8"][-1].endswith("(not pinned), or --weights FILE")


def test_chosen_backbones_on_a_terminal(freeloc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeloc.io.terminal.is_terminal", lambda _stream: True)
    answer = freeloc("backbones", "convnextv2-nano", "timm:resnet18")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "convnextv2-nano: 15.0 million parameters, stride 32, 640 features per cell",
        "    license: CC-BY-NC-4.0, no commercial use (name the authors)",
        "    weights: hub: timm/convnextv2_nano.fcmae_ft_in22k_in1k (not pinned), or --weights FILE",
        "    cache: 0.25 MB per image of 500×375 pixels at scale 1",
        "    short for timm:convnextv2_nano.fcmae_ft_in22k_in1k",
        "timm:resnet18: a network of timm",
    ]


def test_everything_as_json_and_times(freeloc: Callable[..., Any]) -> None:
    words = ("efficientnet_lite0", "--benchmark", "--runtime", "torch", "--precision", "float32")
    (found,) = json.loads(freeloc("backbones", *words, "--json", "--quiet").out)
    assert found["milliseconds"] > 0
    assert (found["commercial"], found["cache_bytes"]) == (True, 2 * 320 * 15 * 11)
    answer = freeloc("backbones", *words)
    assert answer.out.rstrip().endswith(" ms")
    assert "milliseconds for the features of one image of 500×375 pixels at scale 1" in answer.err


def test_an_unknown_name_ends_with_one_sentence(freeloc: Callable[..., Any]) -> None:
    answer = freeloc("backbones", "dinov2-sma11")
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "'dinov2-sma11'" in answer.err
    assert "dinov2-small" in answer.err


def test_short_names_are_accepted_and_completed() -> None:
    assert TrainingSettings(backbone="dinov2-small").backbone == "dinov2-small"
    assert complete_backbone("dinov3") == ["dinov3-small", "dinov3-convnext-tiny"]
    assert command.__doc__
