"""Calibrating a model on held-out images, from Python and from the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from freeloc.datasets import Dataset, open_dataset
from freeloc.errors import DatasetError, FreelocError, ImageError, ModelError, OutputError
from freeloc.inference.localizer import Localizer
from freeloc.io.lock import lock_file
from freeloc.models.card import ModelCard
from freeloc.models.model import Model
from freeloc.models.platt_scaling import fit_calibration
from freeloc.models.registry import find_model
from freeloc.posttraining.calibrate import calibrate, calibrated_path
from freeloc.posttraining.model_output import save_or_keep
from freeloc.posttraining.quantize import quantize, quantized_path
from freeloc.posttraining.release import release


@pytest.fixture
def copy(tiny_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


def test_what_is_fitted_is_fitted_on_what_prediction_gives(copy: Path, tiny_scenes: Dataset) -> None:
    before = Model.load(copy)
    options: dict[str, Any] = {"runtime": "openvino", "precision": "float32", "force": True}
    made = calibrate(copy, tiny_scenes, quiet=True, **options)
    localizer = Localizer.load(copy, runtime="openvino", precision="float32")
    scores = np.stack([found.scores for found in localizer.predict_many(s.path for s in tiny_scenes)])
    wanted = fit_calibration(scores, tiny_scenes.labels)
    assert made.header.calibration is not None
    labels = tiny_scenes.labels
    fitted = (labels > 0).any(axis=0) & (labels < 0).any(axis=0)
    assert fitted.any()
    for name, unfitted in (("slopes", 1.0), ("offsets", 0.0), ("thresholds", 0.5)):
        found = np.array(getattr(made.header.calibration, name))
        np.testing.assert_allclose(
            found[fitted], np.array(getattr(wanted, name))[fitted], rtol=1e-4, atol=1e-4
        )
        assert found[~fitted].tolist() == [unfitted] * int((~fitted).sum())
    facts = made.header.calibration.facts
    assert (facts["images"], facts["scales"]) == (6, [0.7, 1.0])
    names = np.array(tiny_scenes.classes)
    assert facts["left_alone"] == names[~fitted].tolist()
    measured = facts["cross_validation"]
    assert (measured["folds"], measured["repeats"]) == (5, 5)
    assert measured["log_loss"]["before"] > 0
    # Only the file is changed.
    after = Model.load(copy)
    assert after.header.calibration == made.header.calibration
    assert after.header.manifest == before.header.manifest
    for one, other in zip(before.head.parameters(), after.head.parameters(), strict=True):
        assert bool((one == other).all())
    # Fitted to raw scores again, not to calibrated ones.
    again = calibrate(copy, tiny_scenes, quiet=True, **options)
    np.testing.assert_allclose(again.header.calibration.slopes, made.header.calibration.slopes)  # type: ignore[union-attr]


def test_the_command_reads_tags_alone(
    freeloc: Callable[..., Any], copy: Path, tiny_coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def watched(*words: Any, **options: Any) -> Dataset:
        dataset = open_dataset(*words, **options)
        seen.append(dataset.has_boxes)
        return dataset

    monkeypatch.setattr("freeloc.datasets.open_dataset", watched)
    out = tmp_path / "calibrated.safetensors"
    before = (copy / "model.safetensors").read_bytes()
    answer = freeloc("calibrate", copy, tiny_coco, "--out", out, "--force")
    assert (answer.code, answer.out) == (0, "")
    assert seen == [False]
    assert "classes on 6 images: by cross-validation, calibration error " in answer.err
    assert "left alone " not in answer.err
    assert f"wrote {out}" in answer.err
    assert (copy / "model.safetensors").read_bytes() == before
    assert Model.load(out).header.calibration is not None
    assert freeloc("calibrate", copy, tiny_coco, "--quiet", "--force").code == 0
    assert Model.load(copy).header.calibration == Model.load(out).header.calibration
    # Nothing is lost: the earlier model is beside the new one.
    kept = copy / "model.before-calibration.safetensors"
    assert kept.read_bytes() == before
    second = freeloc("calibrate", copy, tiny_coco, "--force", "--classes", f"{tiny_classes(copy)[0]},unicorn")
    assert second.code == 0
    assert "does not have the class 'unicorn': left out" in second.err
    assert "calibrated 1 of 8 classes on 6 images: " in second.err
    assert (
        f"; left alone {', '.join(map(repr, tiny_classes(copy)[1:7]))} and 'umbrella', because the tags"
        in second.err
    )
    assert f"kept the earlier model in {copy / 'model.before-calibration-2.safetensors'}" in second.err
    assert kept.read_bytes() == before


def tiny_classes(model: Path) -> tuple[str, ...]:
    return Model.load(model).header.classes


def test_a_calibration_that_does_not_help_is_refused(
    freeloc: Callable[..., Any], copy: Path, tiny_coco: Path
) -> None:
    """The model is first calibrated on the same images, so that a fit to others of them must be worse."""
    assert freeloc("calibrate", copy, tiny_coco, "--force", "--quiet").code == 0
    before = sorted((path.name, path.read_bytes()) for path in copy.glob("*.safetensors"))
    answer = freeloc("calibrate", copy, tiny_coco)
    assert (answer.code, answer.out) == (2, "")
    assert (
        "calibration on the 6 images of COCO instances does not clearly improve the probabilities (by"
        in answer.err
    )
    assert answer.err.endswith("or force the calibration (--force does it all the same)\n")
    assert sorted((path.name, path.read_bytes()) for path in copy.glob("*.safetensors")) == before


def test_classes_of_which_the_tags_do_not_speak_are_left_alone(
    copy: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    first = calibrate(copy, tiny_scenes, force=True, quiet=True).header.calibration
    assert first is not None
    names = tiny_scenes.classes
    present = [
        name for name, count in zip(names, (tiny_scenes.labels > 0).sum(axis=0), strict=True) if 0 < count < 6
    ]
    chosen = present[0]
    rows = [
        {
            "file_name": str(sample.path),
            "tags": [chosen] if sample.labels[names.index(chosen)] > 0 else ["tree"],
        }
        for sample in tiny_scenes
    ]
    tags = tmp_path / "tags.jsonl"
    tags.write_text("\n".join(map(json.dumps, rows)))
    second = calibrate(copy, open_dataset(tags, classes=names), force=True, quiet=True).header.calibration
    assert second is not None
    others = [label for label, name in enumerate(names) if name != chosen]
    assert second.select(others) == first.select(others)
    # An absent class in every image says as little as no tag at all.
    third = calibrate(
        copy, open_dataset(tags, classes=[chosen]), out=tmp_path / "other.safetensors", force=True, quiet=True
    )
    assert third.header.calibration == second


def test_the_shipped_model_keeps_its_name(
    copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = tmp_path / "package"
    shipped.mkdir()
    shutil.copy(copy / "model.safetensors", shipped / "tiny20.safetensors")
    monkeypatch.setattr("freeloc.models.registry.pretrained_folder", lambda: shipped)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    own = tmp_path / "share" / "freeloc" / "models"
    source = find_model("tiny20")
    assert calibrated_path(source, None) == own / "tiny20-calibrated.safetensors"
    assert quantized_path(source, None) == own / "tiny20-int8.safetensors"
    assert calibrated_path(source, copy) == quantized_path(source, copy) == copy / "model.safetensors"
    assert calibrated_path(copy / "model.safetensors", None) == copy / "model.safetensors"


def test_a_model_that_cannot_be_written_is_kept_elsewhere(
    copy: Path, tiny_scenes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    blocked = tmp_path / "blocked"
    target = blocked / "model.safetensors"
    blocked.write_text("in the way")

    with pytest.raises(
        OutputError, match=rf"cannot write {target}: .*; meanwhile, the model is in "
    ) as caught:
        save_or_keep(Model.load(copy), target)
    (kept,) = tmp_path.glob("freeloc-*/model.safetensors")
    assert str(kept) in str(caught.value)
    assert Model.load(kept).header == Model.load(copy).header


def replace_model(path: Path) -> bytes:
    """Replace a model with one of other weights, as another training run would, and return the file's bytes."""
    model = Model.load(path)
    with torch.no_grad():
        model.head.fcb.bias.add_(1.0)
    model.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("cached", [False, True], ids=["traced graph", "cached graph"])
@pytest.mark.parametrize("to_another_file", [False, True])
def test_a_model_replaced_while_images_are_scored_is_refused(
    copy: Path,
    tiny_scenes: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cached: bool,
    to_another_file: bool,
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "cache"))
    if cached:
        Localizer.load(copy, runtime="openvino").predict(tiny_scenes.samples[0].path)
    out = tmp_path / "out.safetensors" if to_another_file else None
    replaced: list[bytes] = []
    score = Localizer.score_maps_many

    def replace_after_scoring(self: Localizer, images: Any) -> Any:
        yield from score(self, images)
        replaced.append(replace_model(copy / "model.safetensors"))

    monkeypatch.setattr(Localizer, "score_maps_many", replace_after_scoring)
    with pytest.raises(
        ModelError, match="was replaced, modified or deleted while it was in use: start again"
    ):
        calibrate(copy, tiny_scenes, out=out, runtime="openvino", force=True, quiet=True)
    assert [(copy / "model.safetensors").read_bytes()] == replaced
    assert not (tmp_path / "out.safetensors").exists()


def test_an_image_replaced_while_images_are_scored_is_refused(
    copy: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    paths = [Path(shutil.copy(sample.path, tmp_path)) for sample in tiny_scenes]
    samples = tuple(
        replace(sample, path=path, size=info.size, content_hash=info.content_hash)
        for sample, path, info in zip(tiny_scenes, paths, tiny_scenes.image_info(), strict=True)
    )
    shutil.copy(paths[0], paths[1])
    with pytest.raises(ImageError, match="was replaced or modified after it had been checked"):
        calibrate(copy, replace(tiny_scenes, samples=samples), quiet=True)
    assert Model.load(copy).header.calibration is None


def test_images_that_the_model_was_trained_on_are_left_out(
    copy: Path, tiny_training: Dataset, tiny_scenes: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    retagged = tuple(replace(sample, labels=-sample.labels) for sample in tiny_training.samples[:2])
    mixed = replace(tiny_scenes, samples=(retagged[0], *tiny_scenes.samples, retagged[1]))
    made = calibrate(copy, mixed, out=copy / "mixed.safetensors", force=True)
    assert "2 of 8 images left out, because the model was trained on them" in capsys.readouterr().err
    wanted = calibrate(copy, tiny_scenes, force=True, quiet=True)
    assert made.header.calibration == wanted.header.calibration
    with pytest.raises(DatasetError, match=r"was trained on .* that it was not trained on"):
        calibrate(copy, replace(tiny_training, samples=retagged), quiet=True)


def test_mistakes_are_named(copy: Path, tiny_training: Dataset, tiny_scenes: Dataset) -> None:
    with pytest.raises(FreelocError, match=r"was trained on .* that it was not trained on"):
        calibrate(copy, tiny_training, quiet=True)
    with pytest.raises(FreelocError, match="no images"):
        calibrate(copy, replace(tiny_scenes, samples=()), quiet=True)
    with pytest.raises(FreelocError, match="has the classes 'gnu', which the model does not have"):
        calibrate(copy, replace(tiny_scenes, classes=("gnu", *tiny_scenes.classes[1:])), quiet=True)
    assert Model.load(copy).header.calibration is None


@pytest.mark.parametrize("label", [0, -1, 1])
def test_labels_that_say_nothing_are_refused(copy: Path, tiny_scenes: Dataset, label: int) -> None:
    before = (copy / "model.safetensors").read_bytes()
    samples = tuple(replace(item, labels=np.full(8, label, np.int8)) for item in tiny_scenes)
    with pytest.raises(
        DatasetError, match="^no class of .* is present in .*: calibration requires images with"
    ):
        calibrate(copy, replace(tiny_scenes, samples=samples), quiet=True)
    assert (copy / "model.safetensors").read_bytes() == before


def test_a_list_that_tags_nothing_known_is_refused(
    freeloc: Callable[..., Any], copy: Path, tiny_scenes: Dataset
) -> None:
    before = (copy / "model.safetensors").read_bytes()
    rows = [
        {"file_name": str(item.path), "tags": [], "unknown_tags": list(tiny_scenes.classes)}
        for item in tiny_scenes
    ]
    tags = copy / "unknown.jsonl"
    tags.write_text("\n".join(map(json.dumps, rows)))
    answer = freeloc("calibrate", copy, tags)
    assert (answer.code, answer.out) == (2, "")
    assert "calibration requires images with and images without a class" in answer.err
    assert (copy / "model.safetensors").read_bytes() == before


def test_a_model_that_another_process_writes_is_refused(copy: Path, tiny_scenes: Dataset) -> None:
    before = (copy / "model.safetensors").read_bytes()
    changes: list[Callable[[], object]] = [
        lambda: calibrate(copy, tiny_scenes, quiet=True),
        lambda: quantize(copy, [item.path for item in tiny_scenes], quiet=True),
        lambda: release(copy, copy / "model.safetensors", ModelCard("tiny")),
    ]
    with lock_file(copy / "model.safetensors"):
        for change in changes:
            with pytest.raises(OutputError, match="another freeloc process is writing to it"):
                change()
    assert (copy / "model.safetensors").read_bytes() == before
