"""``freeloc models``, and model names in all commands that accept a model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from freeloc.inference.localizer import Localizer
from freeloc.models import registry
from freeloc.models.card import ModelCard
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.runtime import int8_is_fastest
from freeloc.runtime.processors import explain_precision

CARD = ModelCard("street", "1.2", "Things of\n the street \x1b[31m", "CC BY 4.0")


def fresh(classes: tuple[str, ...] = ("cat", "dog"), **changes: Any) -> Model:
    """An untrained model that can predict."""
    torch.manual_seed(3)
    backbone = load_backbone("efficientnet_lite0")
    head = AdaptationHead(HeadSettings(backbone.width, len(classes), hidden=4))
    header = ModelHeader(
        backbone="efficientnet_lite0",
        backbone_fingerprint=backbone.fingerprint,
        classes=classes,
        head=head.settings,
        scales=(0.5,),
        layout=backbone.layout,
        pad_color=backbone.pad_color,
    )
    return Model(replace(header, **changes), head)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder; the package's folder and the current folder are empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    shipped = tmp_path / "package"
    shipped.mkdir()
    monkeypatch.setattr(registry, "pretrained_folder", lambda: shipped)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "share" / "freeloc" / "models"


@pytest.fixture
def shipped(own: Path, tmp_path: Path) -> Path:
    """A folder with one model that replaces the package's folder."""
    folder = tmp_path / "package"
    fresh().save(folder / "pets.safetensors")
    return folder


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")  # no bold


def test_one_model(freeloc: Callable[..., Any], own: Path, shipped: Path) -> None:
    fresh(card=CARD).save(own / "street.safetensors")
    for name, origin in (
        ("pets", "package"),
        ("street", "yours"),
        (str(own / "street.safetensors"), "yours"),
    ):
        (line,) = freeloc("models", name).out.splitlines()
        assert line.split("\t")[0] == Path(name).stem
        assert line.split("\t")[-2] == origin
    assert [one["name"] for one in json.loads(freeloc("models", "pets", "--json").out)] == ["pets"]
    answer = freeloc("models", "pest")
    assert answer.code == 2
    assert "pest" in answer.err


def test_the_precisions_are_compared(freeloc: Callable[..., Any], own: Path, shipped: Path) -> None:
    answer = freeloc("models", "pets", "--benchmark")
    assert answer.code == 0
    header, *lines = [line.split("\t") for line in answer.out.splitlines()]
    assert header == ["precision", "fast, ms", "balanced, ms", "best, ms", ""]
    assert lines[0][0] == "float32"
    assert [line[-1] for line in lines].count("auto") == 1
    assert all(float(cell) > 0 for line in lines for cell in line[1:4])
    assert "milliseconds per image of 500×375 pixels with pets on" in answer.err
    (auto,) = (line[0] for line in lines if line[-1] == "auto")
    assert f"auto: {explain_precision(auto, has_int8=False)}\n" in answer.err
    assert ("freeloc quantize MODEL IMAGES adds one to the model" in answer.err) == int8_is_fastest()
    found = json.loads(freeloc("models", "pets", "--benchmark", "--json", "--quiet").out)
    assert set(found["milliseconds"]) == {line[0] for line in lines}
    assert found["auto"] in found["milliseconds"]
    assert found["would_gain_from_int8"] == int8_is_fastest()


# --- the list ---------------------------------------------------------------------------------------------


def test_plain_lines(freeloc: Callable[..., Any], own: Path, shipped: Path) -> None:
    fresh(("a", "b", "c"), card=CARD).save(own / "street" / "model.safetensors")
    answer = freeloc("models")
    assert (answer.code, answer.err) == (0, "")
    assert [line.split("\t") for line in answer.out.splitlines()] == [
        [
            "pets",
            "2",
            "efficientnet_lite0",
            "not calibrated",
            "",
            "package",
            str(shipped / "pets.safetensors"),
        ],
        [
            *(
                "street",
                "3",
                "efficientnet_lite0",
                "not calibrated",
                r"Things of the street \x1b[31m",
                "yours",
            ),
            str(own / "street" / "model.safetensors"),
        ],
    ]


def test_a_page_for_people(
    freeloc: Callable[..., Any], own: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh(card=CARD).save(own / "street.safetensors")
    on_a_terminal(monkeypatch)
    answer = freeloc("models")
    assert "street 1.2: 2 classes, efficientnet_lite0, not calibrated\n" in answer.out
    assert "license of the training data: CC BY 4.0\n" in answer.out
    assert f"yours: {own / 'street.safetensors'}\n" in answer.out
    assert f"from the package: {shipped / 'pets.safetensors'}\n" in answer.out
    assert "\x1b[31m" not in answer.out


def test_json(freeloc: Callable[..., Any], own: Path, shipped: Path) -> None:
    fresh(card=CARD).save(own / "street.safetensors")
    (own / "torn.safetensors").write_bytes(b"torn")
    answer = freeloc("models", "--json")
    pets, street, torn = json.loads(answer.out)
    assert pets == {
        "name": "pets",
        "path": str(shipped / "pets.safetensors"),
        "origin": "package",
        "problem": None,
        "backbone": "efficientnet_lite0",
        "classes": ["cat", "dog"],
        "calibrated": False,
        "int8": False,
        "card": None,
    }
    assert street["card"]["data_licence"] == "CC BY 4.0"
    assert street["origin"] == "yours"
    assert pets.keys() == street.keys() == torn.keys()
    assert "cannot read model" in torn["problem"]
    assert torn["classes"] is None


def test_a_damaged_file_does_not_hide_the_others(
    freeloc: Callable[..., Any], own: Path, shipped: Path
) -> None:
    own.mkdir(parents=True)
    (own / "torn.safetensors").write_bytes(b"torn")
    answer = freeloc("models")
    assert answer.code == 0
    assert answer.out.startswith("pets\t")
    assert answer.out.count("\n") == 1
    assert answer.err.startswith("skipped torn: cannot read model ")


def test_no_model_at_all(freeloc: Callable[..., Any], own: Path) -> None:
    answer = freeloc("models")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.replace("\n", " ").startswith(f"no models found: put NAME.safetensors in {own}")
    assert freeloc("models", "--json").out == "[]\n"


def test_a_folder_that_is_none_is_told(
    freeloc: Callable[..., Any], own: Path, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREELOC_MODELS", str(tmp_path / "tream"))
    answer = freeloc("models")
    assert answer.out.startswith("pets\t")
    assert (
        answer.err
        == f"FREELOC_MODELS lists {tmp_path / 'tream'}, which is not a folder: create it, or remove it from the variable\n"
    )


def test_weights_are_not_read(own: Path) -> None:
    fresh().save(own / "street.safetensors")
    code = """
import sys
from freeloc.models.catalog import list_models
assert "street" in [model.name for model in list_models()]
print(*{"torch", "openvino", "PIL"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# --- names everywhere -------------------------------------------------------------------------------------


def test_predict_by_name(
    freeloc: Callable[..., Any], shipped: Path, tiny_scenes: Any, tmp_path: Path
) -> None:
    image = tiny_scenes.samples[0].path
    words = ("--runtime", "torch", "--precision", "float32", "--quiet")
    for model in ("pets", shipped / "pets.safetensors"):
        answer = freeloc("predict", model, image, "--out", tmp_path / "out" / Path(model).stem, *words)
        assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert Localizer.load("pets", runtime="torch").classes == ("cat", "dog")
    assert Model.load("pets").header.classes == ("cat", "dog")


def test_evaluate_by_name(freeloc: Callable[..., Any], own: Path, shipped: Path, tiny_coco: Path) -> None:
    names = tuple(entry["name"] for entry in json.loads(tiny_coco.read_text())["categories"])
    fresh(names).save(own / "v2.5.safetensors")
    fresh(names).save(own / "second" / "model.safetensors")
    words = ("--runtime", "torch", "--precision", "float32", "--resamples", "10", "--quiet")
    answer = freeloc("evaluate", "v2.5", tiny_coco, "--against", "second", *words)
    assert answer.code == 0, answer.err
    assert "v2.5" in answer.out
    assert "second" in answer.out


def test_an_unknown_name_is_one_line(
    freeloc: Callable[..., Any], own: Path, shipped: Path, tiny_scenes: Any, tmp_path: Path
) -> None:
    image = tiny_scenes.samples[0].path
    for words in (
        ("predict", "pet", image, "--out", tmp_path / "out"),
        ("evaluate", "pet", tmp_path),
        ("evaluate", "pets", tmp_path, "--against", "pet"),
        ("quantize", "pet", image),
    ):
        answer = freeloc(*words)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            "freeloc: no model is named 'pet' (did you mean pets?): specify a model file or a run folder, or one of "
            f"pets; models in {own} and in the folders listed in FREELOC_MODELS are found by name\n"
        )


@pytest.mark.slow
def test_quantizing_a_model_of_the_package(
    freeloc: Callable[..., Any], own: Path, shipped: Path, tiny_scenes: Any
) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    before = (shipped / "pets.safetensors").read_bytes()
    answer = freeloc("quantize", "pets", tiny_scenes.samples[0].path, "--quiet")
    assert answer.code == 0, answer.err
    assert (shipped / "pets.safetensors").read_bytes() == before
    assert registry.find_model("pets") == shipped / "pets.safetensors"
    assert registry.find_model("pets-int8") == own / "pets-int8.safetensors"
    assert Model.load("pets-int8").int8 is not None
