"""Prediction of folders: output files, their names, and the files that remain after an error."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from freeloc._literals import MapSize
from freeloc.datasets import Dataset
from freeloc.errors import ConfigurationError, ImageError, OutputError
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.io.lock import lock_folder
from freeloc.prediction.manifest import MANIFEST_NAME
from freeloc.prediction.predict_files import PredictionOptions, predict_files
from freeloc.visualization import draw_overlay
from freeloc.writers import WriterOptions, localization_record


def image(path: Path, seed: int = 0, size: tuple[int, int] = (60, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def bad(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no image")
    return path


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]


def files(folder: Path) -> set[str]:
    """Return all files in a folder, including hidden and partial ones, without the manifest of a prediction."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if Path(name).name != MANIFEST_NAME}


@pytest.mark.parametrize("fastest", [False, True])
def test_many_images_are_reason_to_tell_of_int8(
    tiny_run: Path,
    tiny_scenes: Dataset,
    tmp_path: Path,
    fastest: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("freeloc.inference.options.int8_is_fastest", lambda: fastest)
    monkeypatch.setattr("freeloc.prediction.predict_files._MANY_IMAGES", 2)
    paths = [sample.path for sample in tiny_scenes.samples[:2]]
    localizer = Localizer.load(tiny_run, preset="fast", runtime="openvino")
    predict_files(localizer, paths, tmp_path / "many")
    told = capsys.readouterr().err
    advice = ("freeloc quantize MODEL IMAGES adds one", "freeloc train --int8", "pip install 'freeloc[int8]'")
    assert [told.count(part) for part in advice] == [fastest] * 3
    predict_files(localizer, paths[:1], tmp_path / "one")
    exact = Localizer.load(tiny_run, preset="fast", runtime="openvino", precision="float32")
    predict_files(exact, paths, tmp_path / "exact")
    assert "int8" not in capsys.readouterr().err


def test_a_line_per_image_in_order(tiny_localizer: Localizer, tiny_scenes: Dataset, tmp_path: Path) -> None:
    paths = [sample.path for sample in reversed(tiny_scenes.samples[:3])]
    assert predict_files(tiny_localizer, paths, tmp_path / "deep" / "out", quiet=True) == 0
    assert files(tmp_path) == {"deep/out/predictions.jsonl"}
    written = lines(tmp_path / "deep" / "out")
    assert [record["image"] for record in written] == [str(path) for path in paths]
    for record, path in zip(written, paths, strict=True):
        assert record == localization_record(tiny_localizer.predict(path), image_name=str(path))


def test_options_reach_the_record(tiny_localizer: Localizer, tiny_scenes: Dataset, tmp_path: Path) -> None:
    path = tiny_scenes.samples[0].path
    result = tiny_localizer.predict(path)
    threshold = float(np.median(result.probabilities))
    options = PredictionOptions(threshold=threshold, peaks=2)
    predict_files(tiny_localizer, [path], tmp_path, options, quiet=True)
    (record,) = lines(tmp_path)
    assert record["threshold"] == pytest.approx(threshold, rel=1e-5)
    present = [each["name"] for each in record["classes"] if each["present"]]
    assert present == [found.name for found in result.present(threshold)]
    assert 0 < len(present) < len(record["classes"])
    assert all(1 <= len(each["peaks"]) <= 2 for each in record["classes"])


def test_extras_of_equal_names_lie_side_by_side(tiny_localizer: Localizer, tmp_path: Path) -> None:
    paths = [
        image(tmp_path / "album" / "a" / "x.jpg", 1),
        image(tmp_path / "album" / "b" / "x.jpg", 2, (30, 50)),
        image(tmp_path / "album" / "b" / "x.png", 3, (20, 20)),
    ]
    out = tmp_path / "out"
    options = PredictionOptions(threshold=0, formats=("jsonl", "overlays", "npz"), map_size="lattice")
    predict_files(tiny_localizer, paths, out, options, quiet=True)
    names = ["a/x", "b/x.jpg", "b/x.png"]
    assert files(out) == {
        "predictions.jsonl",
        *(f"overlays/{name}.jpg" for name in names),
        *(f"maps/{name}.npz" for name in names),
    }
    for name, path in zip(names, paths, strict=True):
        with Image.open(out / "overlays" / f"{name}.jpg") as picture:
            picture.load()
            assert min(picture.size) > 60
        with Image.open(path) as original, np.load(out / "maps" / f"{name}.npz") as arrays:
            assert tuple(arrays["image_size"]) == original.size


@pytest.mark.parametrize("size", ["image", "lattice"])
def test_maps_of_both_sizes(
    tiny_localizer: Localizer, tiny_scenes: Dataset, tmp_path: Path, size: MapSize
) -> None:
    path = tiny_scenes.samples[3].path
    result = tiny_localizer.predict(path)
    threshold = float(np.median(result.probabilities))
    options = PredictionOptions(threshold=threshold, formats=("npz",), map_size=size)
    predict_files(tiny_localizer, [path], tmp_path, options, quiet=True)
    with np.load(tmp_path / "maps" / f"{path.stem}.npz") as arrays:
        maps, classes = arrays["maps"], arrays["classes"].tolist()
        points = arrays["points"]
    if size == "image":
        assert classes == [found.name for found in result.present(threshold)]
        assert maps.shape == (len(classes), result.image_size.height, result.image_size.width)
        for values, name in zip(maps, classes, strict=True):
            np.testing.assert_allclose(values, result.map(name), atol=1e-3)
    else:
        assert classes == list(result.classes)
        np.testing.assert_allclose(maps, result.maps, atol=1e-3)
    for point, name in zip(points, classes, strict=True):
        assert tuple(point) == (result[name].x, result[name].y)


def test_bad_images_are_left_out_and_counted(
    tiny_localizer: Localizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    paths = [
        bad(images / "0.jpg"),
        image(images / "1.jpg", 1),
        images / "2-gone.jpg",
        image(images / "3.jpg", 3),
    ]
    options = PredictionOptions(skip_bad=True, formats=("jsonl", "overlays"))
    assert predict_files(tiny_localizer, paths, tmp_path / "out", options) == 2
    assert [Path(record["image"]).name for record in lines(tmp_path / "out")] == ["1.jpg", "3.jpg"]
    assert files(tmp_path / "out") == {"predictions.jsonl", "overlays/1.jpg", "overlays/3.jpg"}
    said = capsys.readouterr().err
    assert "0.jpg" in said
    assert "2-gone.jpg" in said
    assert "wrote 2 predictions" in said
    assert "skipped 2 bad images" in said


MAPS_TOO = PredictionOptions(formats=("jsonl", "npz"), map_size="lattice")


def test_a_bad_image_stops_and_leaves_what_is_done(tiny_localizer: Localizer, tmp_path: Path) -> None:
    images = tmp_path / "images"
    paths = [image(images / "1.jpg", 1), bad(images / "2.jpg"), image(images / "3.jpg", 3)]
    with pytest.raises(ImageError, match=r"2\.jpg") as caught:
        predict_files(tiny_localizer, paths, tmp_path / "out", MAPS_TOO, quiet=True)
    assert (caught.value.path, caught.value.parameter) == (paths[1], "skip_bad")
    assert files(tmp_path / "out") == {"predictions.jsonl", "maps/1.npz"}
    assert [Path(record["image"]).name for record in lines(tmp_path / "out")] == ["1.jpg"]


def test_damage_that_only_decoding_finds(tiny_localizer: Localizer, tmp_path: Path) -> None:
    images = tmp_path / "images"
    torn = image(images / "2.png", 2)
    torn.write_bytes(torn.read_bytes()[:-3000])
    paths = [image(images / "1.jpg", 1), torn, image(images / "3.jpg", 3)]
    with pytest.raises(ImageError, match=r"2\.png") as caught:
        predict_files(tiny_localizer, paths, tmp_path / "out", MAPS_TOO, quiet=True)
    assert (caught.value.path, caught.value.parameter) == (torn, "skip_bad")
    assert files(tmp_path / "out") == {"predictions.jsonl", "maps/1.npz"}
    options = dataclasses.replace(MAPS_TOO, skip_bad=True)  # continues
    assert predict_files(tiny_localizer, paths, tmp_path / "out", options, quiet=True) == 1
    assert [Path(record["image"]).name for record in lines(tmp_path / "out")] == ["1.jpg", "3.jpg"]


def test_a_place_that_cannot_be_written_is_named(tiny_localizer: Localizer, tmp_path: Path) -> None:
    target = image(tmp_path / "1.png")
    with pytest.raises(OutputError, match=r"cannot write .*1\.png"):
        predict_files(tiny_localizer, [target], target, quiet=True)


def test_formats_are_checked(tiny_localizer: Localizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no writer called 'xml'") as caught:
        PredictionOptions(formats=("jsonl", "xml"))
    assert caught.value.parameter == "formats"
    path = image(tmp_path / "1.png")
    for name in ("npz", "overlays"):
        with pytest.raises(OutputError, match="there is no output folder") as refused:
            predict_files(tiny_localizer, [path], None, PredictionOptions(formats=(name,)))
        assert refused.value.parameter == "out"


def test_every_option_is_one_of_writers_or_of_prediction() -> None:
    with pytest.raises(ConfigurationError, match="threshold is 1.5"):
        PredictionOptions(threshold=1.5)
    own = PredictionOptions.__dataclass_fields__.keys() - WriterOptions.__dataclass_fields__.keys()
    assert own == {"formats", "skip_bad", "every"}


def test_only_the_formats_named_are_written(
    tiny_localizer: Localizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [image(tmp_path / f"{number}.png", number) for number in range(2)]
    options = PredictionOptions(formats=("npz", "console"))
    predict_files(tiny_localizer, paths, tmp_path / "out", options)
    assert files(tmp_path / "out") == {"maps/0.npz", "maps/1.npz"}
    printed = capsys.readouterr()
    assert [json.loads(line)["image"] for line in printed.out.splitlines()] == [str(path) for path in paths]
    assert printed.err.endswith(f"wrote 2 predictions to {tmp_path / 'out'}\n")


def test_each_image_is_opened_once(
    tiny_localizer: Localizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [image(tmp_path / f"{number}.jpg", number) for number in range(3)]
    paths[1:1] = [bad(tmp_path / "bad.jpg")]
    opened: Counter[Path] = Counter()
    own_open = os.open

    def count(path: Any, *args: Any, **words: Any) -> int:
        opened[Path(path)] += 1
        return own_open(path, *args, **words)

    monkeypatch.setattr(os, "open", count)
    options = PredictionOptions(formats=("jsonl", "overlays", "npz"), skip_bad=True)
    assert predict_files(tiny_localizer, paths, tmp_path / "out", options, quiet=True) == 1
    assert [opened[path] for path in paths] == [1, 1, 1, 1]
    assert len(list((tmp_path / "out" / "overlays").iterdir())) == 3


def test_the_overlay_of_a_large_jpeg_is_drawn_from_a_reduced_one(
    tiny_localizer: Localizer, tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    rows, cols = np.mgrid[:2001, :4003]
    Image.fromarray(np.stack([rows // 8, cols // 16, (rows + cols) // 24], -1).astype(np.uint8)).save(path)
    options = PredictionOptions(threshold=0.0, formats=("overlays",))
    predict_files(tiny_localizer, [path], tmp_path / "out", options, quiet=True)
    expected = draw_overlay(load_image(path), tiny_localizer.predict(path), threshold=0.0)
    with Image.open(tmp_path / "out" / "overlays" / "large.jpg") as written:
        assert written.size == expected.size
        assert np.abs(np.asarray(written).astype(int) - np.asarray(expected).astype(int)).mean() < 3


def test_two_predictions_into_one_folder(
    tiny_localizer: Localizer, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    paths = [tiny_scenes.samples[0].path]
    with lock_folder(tmp_path / "out"):
        with pytest.raises(OutputError, match="another freeloc process is writing to it"):
            predict_files(tiny_localizer, paths, tmp_path / "out", quiet=True)
        assert not (tmp_path / "out" / "predictions.jsonl").exists()
        predict_files(tiny_localizer, paths, tmp_path / "other", quiet=True)
    predict_files(tiny_localizer, paths, tmp_path / "out", quiet=True)
    assert files(tmp_path / "out") == {"predictions.jsonl"}


def test_unreadable_images_are_not_kept_in_memory(tiny_localizer: Localizer, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    (error,) = tiny_localizer.predict_stream([tmp_path / "torn.jpg"])
    chain: list[BaseException | None] = [error]  # type: ignore[list-item]
    while chain[-1] is not None:
        assert chain[-1].__traceback__ is None
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    assert len(chain) > 2
