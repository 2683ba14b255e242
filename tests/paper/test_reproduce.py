"""The whole study on generated scenes: every row, the output files, and resuming."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets import open_dataset
from freeloc.errors import ConfigurationError
from freeloc.evaluation.collect import collect
from freeloc.evaluation.evaluate import evaluate
from freeloc.evaluation.options import EvaluationOptions
from freeloc.inference.localizer import Localizer
from freeloc.io.lock import lock_folder
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.paper import ROWS, Reproduction, ReproductionSettings, find_study, select_rows
from tests.visualization.test_evaluation_gallery import data_of

pytest.importorskip("matplotlib", reason="the extra reproduce is not installed")

WORDS = ("--backbone", "lite0", "--epochs", "1", "--resamples", "20", "--precision", "float32")
MEASURED = [row.key for row in select_rows(None)]


@pytest.fixture(scope="module")
def study(scenes_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from freeloc.cli import main

    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        words = ("freeloc", "reproduce", "coco2017", "--root", scenes_root, "--out", out, *WORDS)
        patch.setattr(sys, "argv", [str(word) for word in words])
        main()
    assert not stop.value.code
    return out


@pytest.fixture(scope="module")
def results(study: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((study / "results.json").read_text())
    return found


@pytest.mark.slow
def test_every_row_has_its_numbers(results: dict[str, Any]) -> None:
    rows = {row["key"]: row for row in results["rows"]}
    assert list(rows) == MEASURED
    assert results["weights"] is None
    assert results["backbone_fingerprint"] == load_backbone("lite0").fingerprint
    for key, row in rows.items():
        for measure in ("classification", "location"):
            mean = row["measures"][measure]["mean"]
            assert 0 <= mean["low"] <= mean["high"] <= 100
            assert 0 <= mean["value"] <= 100
        assert ("box_ap_50" in row["measures"]) == (ROWS[key].box_method is not None)
        against = ROWS[key].against
        compared = against is not None and row["converged"] and rows[against]["converged"]
        assert bool(row["differences"]) == compared
        assert row["against"] == (against if compared else None)
        if row["against"]:
            other = rows[row["against"]]["measures"]["location"]["mean"]["value"]
            own = row["measures"]["location"]["mean"]["value"]
            assert row["differences"]["location"]["mean"]["value"] == pytest.approx(own - other, abs=0.01)
    weak, center = rows["weak"], rows["center"]
    assert weak["measures"]["classification"] == center["measures"]["classification"]
    # A single epoch on eight images leaves the paper's rows on their plateau: nothing may be concluded from them.
    assert not weak["converged"]
    assert not center["converged"]
    assert results["audit"] == []
    assert (weak["protocol"], rows["own"]["protocol"], rows["detector"]["protocol"]) == (
        "faster",
        "own",
        None,
    )
    told = weak["training"]["weak"]
    assert told["draws_scales"] is False
    assert (told["recipe"], told["epochs"], told["steps"]) == ("paper", 1, 1)
    assert told["loss"] > 0.9 * told["constant_loss"]
    assert rows["detector"]["training"] == {}
    assert rows["detector"]["converged"]


@pytest.mark.slow
def test_a_row_measures_as_freeloc_evaluate_does(
    study: Path, scenes_root: Path, results: dict[str, Any]
) -> None:
    """Compare with the compiled network of the model; only the cache's rounding to float16 differs."""
    data = open_dataset(scenes_root, split="val2017", boxes=True)
    localizer = Localizer.load(study / "models" / "own", precision="float32")
    predictions = collect(localizer, data, "own", quiet=True)
    fused = evaluate([predictions], data, EvaluationOptions(resamples=20)).rows[0].measures
    row = next(row for row in results["rows"] if row["key"] == "own")
    for measure in ("classification", "location"):
        expected = 100 * fused[measure].mean.estimate
        assert row["measures"][measure]["mean"]["value"] == pytest.approx(expected, abs=2)
    with np.load(study / "rows" / "own.npz") as kept:
        np.testing.assert_allclose(kept["scores"], predictions.scores, atol=0.03)
        away = np.abs(kept["points"] - predictions.points["fused"]).max(axis=-1)
        assert np.mean(away < 8) > 0.9


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "img", "link", "br"}:
            self.open.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "srcset"} or tag == "link"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.slow
def test_the_report_stands_alone(study: Path) -> None:
    text = (study / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched
    assert all(address.startswith("data:image/png;base64,") for address in page.fetched)
    assert "<script" not in text
    assert "url(" not in text
    for row in MEASURED:
        assert html.escape(ROWS[row].title) in text.replace("&#39;", "&#x27;")
    assert "How the models were trained" in text
    assert "To the letter" not in text
    assert re.search(r"Backbone lite0 with its default weights \(fingerprint [0-9a-f]{16}…\)\.", text)
    assert "weakly supervised (did not converge)" in text
    assert re.search(r"of 8 classes occur in fewer than 10 images", text)
    names = {path.name for path in (study / "figures").iterdir()}
    for name in (
        "bars_classification",
        "bars_context",
        "bars_masked",
        "groups_context",
        "groups_paper",
        "curves_classification",
        "curves_location",
        "evolution",
        "evolution_class",
        "examples_classes",
    ):
        assert {f"{name}.png", f"{name}.svg"} <= names


@pytest.mark.slow
def test_the_gallery_shows_every_image(study: Path, scenes_root: Path) -> None:
    values = data_of((study / "gallery.html").read_text())
    paths = sorted((scenes_root / "val2017").iterdir())
    assert sorted(each[0] for each in values["images"]) == [path.name for path in paths]
    assert len(list((study / "gallery_files").glob("*/*.jpg"))) == len(paths)


@pytest.mark.slow
def test_a_second_run_trains_and_reads_nothing_again(
    study: Path, scenes_root: Path, freeloc: Callable[..., Any]
) -> None:
    kept = [*study.glob("models/*/*"), *study.glob("rows/*")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    page = (study / "report.html").read_bytes()
    answer = freeloc("reproduce", "coco2017", "--root", scenes_root, "--out", study, *WORDS)
    assert answer.code == 0, answer.err
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert (study / "report.html").read_bytes() == page


@pytest.mark.slow
def test_chosen_rows_alone(scenes_root: Path, tmp_path: Path, freeloc: Callable[..., Any]) -> None:
    words = ("--rows", "center,single_test", *WORDS)
    answer = freeloc("reproduce", "coco2017", "--root", scenes_root, "--out", tmp_path, *words)
    assert answer.code == 0, answer.err
    rows = [row["key"] for row in json.loads((tmp_path / "results.json").read_text())["rows"]]
    assert rows == ["weak", "center", "single_test"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["weak"]


@pytest.mark.slow
def test_the_papers_rows_to_the_letter(
    study: Path, scenes_root: Path, tmp_path: Path, freeloc: Callable[..., Any]
) -> None:
    # Models of the other protocol in the same folder are neither used nor changed.
    shutil.copytree(study / "models" / "weak", tmp_path / "models" / "weak")
    before = (tmp_path / "models" / "weak" / "model.safetensors").read_bytes()
    words = ("--letter", "--rows", "single_test", *WORDS)
    answer = freeloc("reproduce", "coco2017", "--root", scenes_root, "--out", tmp_path, *words)
    assert answer.code == 0, answer.err
    assert "model weak-letter: recipe paper, max pooling, 1 epochs at scales 0.7 to 1.4" in answer.err
    rows = {row["key"]: row for row in json.loads((tmp_path / "results.json").read_text())["rows"]}
    assert {key: row["protocol"] for key, row in rows.items()} == {"single_test": "letter"}
    told = rows["single_test"]["training"]["weak-letter"]
    assert (told["scales"], told["draws_scales"], told["cell_fraction"]) == ([0.7, 1.4], True, 1.0)
    header = Model.load(tmp_path / "models" / "weak-letter").header
    assert (header.padding, header.resize) == ("paper", "paper")
    assert header.manifest["cache"] is None, "features of drawn scales are not cached"
    assert (tmp_path / "models" / "weak" / "model.safetensors").read_bytes() == before
    page = (tmp_path / "report.html").read_text()
    for text in (
        "the paper&#x27;s, to the letter",
        "uniform from 0.7 to 1.4",
        "“To the letter” follows section 4",
    ):
        assert text in page.replace("&#39;", "&#x27;")
    assert [path.stem for path in (tmp_path / "rows").iterdir()] == ["single_test-letter"]
    # Storing the features at drawn scales would not change the model, so it is not trained again.
    trained = (tmp_path / "models" / "weak-letter" / "model.safetensors").stat().st_mtime_ns
    answer = freeloc(
        *("reproduce", "coco2017", "--root", scenes_root, "--out", tmp_path, "--cache-drawn", *words)
    )
    assert answer.code == 0, answer.err
    assert (tmp_path / "models" / "weak-letter" / "model.safetensors").stat().st_mtime_ns == trained


@pytest.mark.slow
def test_models_to_the_letter_share_the_stored_features(scenes_root: Path, tmp_path: Path) -> None:
    train_set, val_set = (
        open_dataset(scenes_root, split=f"{split}2017", boxes=True) for split in ("train", "val")
    )
    settings = ReproductionSettings(
        backbone="efficientnet_lite0", epochs=1, cache=tmp_path / "cache", cache_drawn=True, quiet=True
    )
    reproduction = Reproduction(find_study("coco2017"), train_set, val_set, tmp_path / "out", settings)
    manifest = reproduction.model("weak-letter").header.manifest
    assert (manifest["cache"], manifest["draw_scales"]) == ("float16", True)
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    assert len(stored) >= len(train_set)
    reproduction.model("masked-letter")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")} == stored
    # One scale for all epochs: there is nothing to draw.
    assert "draw_scales" not in reproduction.model("single-letter").header.manifest


def test_stored_features_need_rows_that_draw_scales(scenes_root: Path, tmp_path: Path) -> None:
    data = open_dataset(scenes_root, split="val2017", boxes=True)
    settings = ReproductionSettings(cache_drawn=True)
    reproduction = Reproduction(find_study("coco2017"), data, data, tmp_path / "out", settings)
    with pytest.raises(ConfigurationError, match="no row is trained to the letter") as caught:
        reproduction.run(select_rows(("weak",)))
    assert caught.value.parameter == "cache_drawn"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("coco2017", "--rows", "best"), "there is no row called 'best': choose one of full, weak"),
        (("coco2017", "--train-split", "test"), "test"),
        (("coco2017", "--rows", ","), "rows is empty: choose one or more of full, weak"),
        (("coco2017", "--cache-drawn"), "no row is trained to the letter of the paper"),
        (("coco2017", "--letter", "--cache-drawn", "--rows", "own"), "(option --cache-drawn)"),
        (("coco2017", "--fuse", "x=weak"), "with at least two rows"),
    ],
)
def test_mistakes_end_in_one_sentence(
    scenes_root: Path, tmp_path: Path, freeloc: Callable[..., Any], words: tuple[str, ...], message: str
) -> None:
    answer = freeloc("reproduce", *words, "--root", scenes_root, "--out", tmp_path / "out")
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("paper-voc2012",), True),
        (("paper-voc2012", "--backbone", "alexnet"), True),
        (("paper-voc2012", "--quiet"), False),
        (("paper-voc2012", "--weights", "net.safetensors"), False),
        (("paper-voc2012", "--backbone", "lite0"), False),
        (("voc2012",), False),
    ],
)
def test_the_papers_configuration_tells_whose_weights_it_uses(
    scenes_root: Path, tmp_path: Path, freeloc: Callable[..., Any], words: tuple[str, ...], told: bool
) -> None:
    answer = freeloc("reproduce", *words, "--root", scenes_root, "--out", tmp_path / "out", "--rows", "none")
    assert answer.code == 2
    assert ("torchvision's AlexNet are used, which is not the paper's network" in answer.err) == told


def test_two_studies_into_one_folder(scenes_root: Path, tmp_path: Path, freeloc: Callable[..., Any]) -> None:
    with lock_folder(tmp_path / "out"):
        answer = freeloc("reproduce", "coco2017", "--root", scenes_root, "--out", tmp_path / "out", *WORDS)
        assert [file.suffix for file in (tmp_path / "out").iterdir()] == [".lock"]
    assert answer.code == 2
    held = rf"another freeloc process is writing to it \(process {os.getpid()}, since .*\); wait until it has finished"
    assert re.search(held, answer.err)
