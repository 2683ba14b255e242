"""The recipes: how images are drawn, and how numbers are written into the model card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.datasets.dataset import Dataset, Sample
from freeloc.evaluation.calibration_report import calibration_report
from freeloc.evaluation.evaluate import Evaluation, Row
from freeloc.evaluation.measures import MEASURES
from freeloc.evaluation.options import EvaluationOptions
from freeloc.metrics import BootstrapResult, Interval
from freeloc.metrics.calibration_error import CalibrationOptions
from recipes import few_images, small_alexnet, voc20, voc20_card
from tests.fuzz.networks import add_float_network, make_model, registered_patches
from tests.runtime.networks import Patches


@settings(max_examples=60)
@given(st.integers(1, 80), st.integers(1, 6), st.integers(1, 30), st.integers(0, 99))
def test_every_class_has_its_images(count: int, classes: int, per_class: int, seed: int) -> None:
    present = np.random.default_rng(seed).random((count, classes)) < np.linspace(0.05, 0.6, classes)
    samples = [
        Sample(Path(f"{index}.jpg"), np.where(row, 1, -1).astype(np.int8))
        for index, row in enumerate(present)
    ]
    data = Dataset("all", tuple(map(str, range(classes))), tuple(samples))
    part = few_images.draw_subset(data, per_class, seed)
    paths = [sample.path for sample in part]
    assert len(set(paths)) == len(paths)
    assert set(paths) <= {sample.path for sample in data}
    if len(part):
        assert ((part.labels > 0).sum(axis=0) >= np.minimum(per_class, present.sum(axis=0))).all()
        # Every drawn image is needed for some class.
        assert len(part) <= per_class * classes
        assert (part.labels > 0).any(axis=1).all()
    assert [sample.path for sample in few_images.draw_subset(data, per_class, seed)] == paths


def result(*values: float) -> BootstrapResult:
    intervals = tuple(Interval(value, value - 0.01, value + 0.01) for value in values)
    mean = float(np.mean(values))
    return BootstrapResult(intervals, Interval(mean, mean - 0.005, mean + 0.005), 0.95, 10, 0)


def test_writing_the_card_replaces_its_numbers_only(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    measures = {key: result(0.9, 0.8) for key in MEASURES}
    fused = {**measures, "classification": result(0.9, 0.95)}
    rows = (Row("m, fused", fused), Row("m, paper", measures), Row("center", measures))
    probabilities = np.array([[0.1, 0.9], [0.8, 0.3]])
    report = calibration_report(
        "m", probabilities, np.array([[-1, 1], [1, -1]]), CalibrationOptions(), calibrated=True, resamples=5
    )
    evaluation = Evaluation("data", ("cat", "dog"), 2, (1, 1), rows, EvaluationOptions(), (report,))
    page = tmp_path / "voc20.md"
    page.write_text(
        f"before\n\n{voc20_card._BEGIN}\nyesterday\n{voc20_card._END}\n\nafter\n", encoding="utf-8"
    )
    for _ in range(2):
        voc20_card.write_card(evaluation, tmp_path)
        text = page.read_text("utf-8")
        assert text.startswith("before\n")
        assert text.endswith("\n\nafter\n")
        assert "yesterday" not in text
        assert "| m, fused | 92.5 [92.0, 93.0] |" in text
        # The largest difference comes first.
        assert text.index("| dog | 1 | 95.0 [94.0, 96.0] | 80.0 [79.0, 81.0]") < text.index("| cat | 1 |")
        assert "| +15.0 |" in text
    assert (tmp_path / "voc20-reliability.svg").read_text("utf-8").startswith("<?xml")


@pytest.mark.parametrize("supported", [True, False])
def test_voc20_is_evaluated_in_the_precisions_that_the_processor_computes(
    tiny_scenes: Dataset, tmp_path: Path, supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freeloc.inference.network_loader.cpu_supports_int8", lambda: supported)
    path = tmp_path / "model.safetensors"
    with registered_patches():
        add_float_network(make_model(Patches(), tiny_scenes.classes, hidden=4), Patches()).save(path)
        found = voc20.evaluate_precisions(path, tiny_scenes)
    assert list(found) == ["float32", *(["int8"] if supported else [])]
    assert found["float32"].rows[0].name == "voc20, fused"
    if supported:
        assert found["int8"].rows[0].name == "voc20, int8, fused"


@pytest.mark.slow
def test_the_small_study_pretrains_its_network_and_compares_the_rows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sizes = small_alexnet.Sizes(
        single=24,
        pretraining_epochs=1,
        train=12,
        val=8,
        epochs=1,
        rows=("weak", "center"),
        channels=(8, 8, 8, 8, 8),
        width=16,
    )
    small = small_alexnet.SmallStudy.prepare(tmp_path, sizes)
    assert small.weights.is_file()
    assert (len(small.train_set), len(small.val_set)) == (12, 8)
    single = {path.read_bytes() for path in (tmp_path / "single").glob("*.jpg")}
    scenes = {sample.path.read_bytes() for data in (small.train_set, small.val_set) for sample in data}
    assert len(single) == 24
    assert len(scenes) == 20
    assert not single & scenes
    result = small.run(tmp_path / "study", sizes, letter=False, cache=tmp_path / "cache")
    header, _, weak, center = small_alexnet.rows_as_markdown(result).splitlines()
    assert header.startswith("| row | classification mAP | location mAP |")
    mean = 100 * result.rows[0].measures["location"].mean.estimate
    assert weak.startswith("| `weak` (G/J), did not converge |")
    assert weak.split(" | ")[2] == f"{mean:.1f}"
    assert center.startswith("| `center` (K), did not converge |")
    letter = small.run(tmp_path / "study", sizes, letter=True, cache=tmp_path / "cache")
    assert [row.plan.protocol for row in letter.rows] == ["letter", "letter"]
    assert sorted(path.name for path in (tmp_path / "study" / "models").iterdir()) == ["weak", "weak-letter"]
    assert small_alexnet.rows_as_markdown(letter).splitlines()[2].startswith("| `weak` (G/J)")


@pytest.mark.parametrize("names", ["wrong", "weak, wrong", "weak;full"])
def test_the_small_study_refuses_unknown_rows_before_it_generates_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: str
) -> None:
    out = tmp_path / "small"
    with pytest.raises(SystemExit) as stop:
        small_alexnet.main(["--out", str(out), "--rows", names])
    assert stop.value.code == 2
    assert "there is no row called" in capsys.readouterr().err
    assert not out.exists()


def test_the_small_study_accepts_blanks_between_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    found: list[small_alexnet.Sizes] = []

    def stop(_out: Path, sizes: small_alexnet.Sizes) -> None:
        found.append(sizes)
        raise KeyboardInterrupt

    monkeypatch.setattr(small_alexnet.SmallStudy, "prepare", stop)
    with pytest.raises(KeyboardInterrupt):
        small_alexnet.main(["--out", str(tmp_path), "--rows", " weak , center,"])
    assert [sizes.rows for sizes in found] == [("weak", "center")]
