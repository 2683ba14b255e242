"""``freeloc predict``: arguments select images, and errors are one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets import Dataset
from freeloc.inference.localizer import Localizer
from freeloc.prediction.manifest import MANIFEST_NAME
from freeloc.runtime.processors import explain_precision
from freeloc.writers import WRITERS, WriterOptions, localization_record
from freeloc.writers.console_table import render_record
from tests.packages import installed, write_package

TORCH = ("--runtime", "torch", "--precision", "float32")


def files(folder: Path) -> set[str]:
    """Return all files in a folder, without the manifest of a prediction."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - {MANIFEST_NAME}


@pytest.fixture
def images(tiny_scenes: Dataset, tmp_path: Path) -> Path:
    """A folder of two scenes and a text file."""
    folder = tmp_path / "images"
    folder.mkdir()
    for sample in tiny_scenes.samples[:2]:
        shutil.copy(sample.path, folder)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_verbose_tells_the_precision_and_the_record_holds_it(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    words = ("predict", tiny_run, images, "--runtime", "openvino", "--scales", "0.5", "--format", "jsonl")
    answer = freeloc(*words, "--verbose")
    precision = json.loads(answer.out.splitlines()[0])["precision"]
    # The model has no int8 network.
    assert answer.err.count(f"{explain_precision(precision, has_int8=False)}\n") == 1
    assert answer.err.count("precision") == 1
    assert "precision" not in freeloc(*words).err
    exact = freeloc(*words, "--verbose", "--precision", "float32")
    assert json.loads(exact.out.splitlines()[0])["precision"] == "float32"
    assert "precision" not in exact.err, "it was not chosen automatically"
    words = ("predict", tiny_run, images, "--runtime", "torch", "--scales", "0.5", "--format", "jsonl")
    reference = freeloc(*words, "--verbose")
    assert json.loads(reference.out.splitlines()[0])["precision"] in reference.err
    assert re.search(r"^precision \w+: (torch on a CPU|the GPU) ", reference.err, flags=re.MULTILINE)


def test_int8_without_an_int8_network_is_refused(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path
) -> None:
    answer = freeloc("predict", tiny_run, images, "--precision", "int8", "--runtime", "openvino")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "freeloc: the model has no int8 network: create one with freeloc quantize (in Python, freeloc.quantize), or "
        "choose another precision (option --precision)\n"
    )


def test_all_options_together(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("predict", tiny_run, images, "--out", out, *TORCH, "--scales", "0.5,1", "--location", "paper")
    more = ("--threshold", "0.3", "--peaks", "2", "--overlay", "--maps", "--map-size", "lattice")
    answer = freeloc(*words, *more)
    assert (answer.code, answer.out) == (0, "")
    assert f"wrote 2 predictions to {out / 'predictions.jsonl'}" in answer.err
    names = sorted(path.stem for path in images.glob("*.jpg"))
    assert files(out) == {
        "predictions.jsonl",
        *(f"overlays/{name}.jpg" for name in names),
        *(f"maps/{name}.npz" for name in names),
    }
    localizer = Localizer.load(
        tiny_run, scales=(0.5, 1.0), location="paper", runtime="torch", precision="float32"
    )
    for line, name in zip((out / "predictions.jsonl").read_text().splitlines(), names, strict=True):
        path = images / f"{name}.jpg"
        result = localizer.predict(path)
        options = WriterOptions(threshold=0.3, peaks=2)
        written = [f"overlays/{name}.jpg", f"maps/{name}.npz"]
        assert json.loads(line) == localization_record(result, options, image_name=str(path), files=written)
        with np.load(out / "maps" / f"{name}.npz") as arrays:
            assert str(arrays["mode"]) == "paper"
            assert str(arrays["size"]) == "lattice"


def test_the_kind_of_point_is_chosen_and_recorded(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    words = ("predict", tiny_run, images, *TORCH, "--scales", "0.5", "--peaks", "3")
    answer = freeloc(*words, "--point", "central", "--quiet")
    localizer = Localizer.load(tiny_run, scales=(0.5,), runtime="torch", precision="float32", point="central")
    records = [json.loads(line) for line in answer.out.splitlines()]
    assert (answer.code, [record["point"] for record in records]) == (0, ["central"] * 2)
    for record in records:
        result = localizer.predict(Path(record["image"]))
        assert record == localization_record(result, WriterOptions(peaks=3), image_name=record["image"])
    assert answer.out != freeloc(*words, "--quiet").out
    refused = freeloc(*words, "--point", "central", "--location", "paper", "--out", tmp_path / "out")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "freeloc: location is paper, but only fused points can be central: specify fused or salient points "
        "(option --point)\n"
    )
    assert not (tmp_path / "out").exists()


def test_the_minimum_of_peaks_is_chosen(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    words = ("predict", tiny_run, images, *TORCH, "--scales", "0.5", "--peaks", "30", "--quiet")
    localizer = Localizer.load(tiny_run, scales=(0.5,), runtime="torch", precision="float32")
    found = {}
    for least in (0.0, 1.0):
        records = map(json.loads, freeloc(*words, "--peak-threshold", least).out.splitlines())
        found[least] = [record["classes"] for record in records]
        for record, path in zip(found[least], sorted(images.glob("*.jpg")), strict=True):
            result = localizer.predict(path)
            for each in record:
                peaks = result.peaks(each["name"], count=30, relative_threshold=least)
                assert len(each["peaks"]) == len(peaks)
    numbers = {
        least: sum(len(each["peaks"]) for record in records for each in record)
        for least, records in found.items()
    }
    assert numbers[0.0] > numbers[1.0] >= 16  # the point of each of the 8 classes in both images
    refused = freeloc(*words, "--peak-threshold", "1.5")
    assert (refused.code, refused.out) == (2, "")
    assert "peak_threshold is 1.5" in refused.err


def test_the_models_own_threshold_is_the_default(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    pattern = f"{images}/*.jpg"
    answer = freeloc("predict", tiny_run / "model.safetensors", pattern, "--out", tmp_path, *TORCH, "--quiet")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    records = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [record["threshold"] for record in records] == [0.5, 0.5]
    assert [record["mode"] for record in records] == ["fused", "fused"]
    assert not (tmp_path / "maps").exists()
    assert not (tmp_path / "overlays").exists()


def test_without_a_folder_the_same_lines_are_printed(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    words = ("predict", tiny_run, images, *TORCH, "--scales", "0.5", "--peaks", "1")
    written = freeloc(*words, "--out", tmp_path / "out")
    printed = freeloc(*words)
    assert (written.code, printed.code, printed.err) == (0, 0, "")
    assert printed.out == (tmp_path / "out" / "predictions.jsonl").read_text("utf-8")
    for option in ("--overlay", "--maps"):
        answer = freeloc(*words, option)
        assert (answer.code, answer.out) == (2, "")
        assert "there is no output folder; specify one" in answer.err


def test_a_dash_prints_the_records_even_on_a_terminal(
    freeloc: Callable[..., Any],
    tiny_run: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("predict", tiny_run, images, *TORCH, "--scales", "0.5", "--out")
    freeloc(*words, "out")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    printed = freeloc(*words, "-")
    assert (printed.code, printed.err) == (0, "")
    assert printed.out == (tmp_path / "out" / "predictions.jsonl").read_text("utf-8")
    assert not (tmp_path / "-").exists()
    answer = freeloc(*words, "-", "--overlay")
    assert (answer.code, answer.out) == (2, "")
    assert "there is no output folder; specify one" in answer.err


def test_a_closed_pipe_ends_without_a_word(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", closefd=False) as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        answer = freeloc("predict", tiny_run, images, *TORCH, "--scales", "0.5", "--out", "-")
    os.close(writing)
    assert (answer.code, answer.err) == (141, "")


def test_images_in_an_output_among_the_images_are_not_predicted(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path
) -> None:
    words = ("predict", tiny_run, images, "--out", images / "found", "--format", "labelme", *TORCH)
    assert freeloc(*words, "--scales", "0.5").code == 0
    assert len(list((images / "found" / "labelme").glob("*.jpg"))) == 2
    assert "nothing is left to do" in freeloc(*words, "--scales", "0.5").err


def test_an_output_is_continued_refused_or_replaced(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (images / "z.jpg").write_bytes(b"\xff\xd8\xff torn")
    words = ("predict", tiny_run, images, "--out", out, *TORCH, "--preset", "fast")
    stopped = freeloc(*words)
    assert (stopped.code, stopped.out) == (2, "")
    assert "2 of 3 images are done: start again with the same arguments to do the rest" in stopped.err
    (images / "z.jpg").unlink()
    continued = freeloc(*words, "--resume")
    assert (continued.code, continued.out) == (0, "")
    assert continued.err.startswith("continuing after 2 of 2 images\n")
    before = files(out)
    refused = freeloc(*words[:-1], "balanced")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(
        f"freeloc: {out} contains finished predictions with preset 'fast' instead of 'balanced': use "
    )
    assert refused.err.endswith("set overwrite to replace them (--overwrite replaces the earlier output)\n")
    assert files(out) == before
    replaced = freeloc(*words[:-1], "balanced", "--overwrite", "--quiet")
    assert (replaced.code, replaced.err) == (0, "")
    records = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [record["preset"] for record in records] == ["balanced"] * 2
    both = freeloc(*words, "--overwrite", "--resume")
    assert both.code == 2
    assert "specify only one of them (--overwrite replaces the earlier output)" in both.err


def test_on_a_terminal_tables_are_printed(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("predict", tiny_run, images, *TORCH, "--scales", "0.5", "--threshold", "0.6", "--boxes", "2")
    records = [json.loads(line) for line in freeloc(*words).out.splitlines()]
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    expected = "".join(render_record(record, width=80, encoding="utf-8") for record in records)
    assert freeloc(*words, "--pictures", "no").out == expected
    assert expected.count("✓") == sum(entry["present"] for record in records for entry in record["classes"])
    assert "✓" in expected


def test_a_gallery(freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path) -> None:
    """With and without an output folder."""
    words = ("predict", tiny_run, images, *TORCH, "--scales", "0.5")
    page, out = tmp_path / "pages" / "all.html", tmp_path / "out"
    printed = freeloc(*words, "--gallery", page)
    assert (printed.code, printed.out) == (0, "")
    assert printed.err.endswith(f"wrote {page}\n")
    for path in images.glob("*.jpg"):
        assert path.name in page.read_text("utf-8")
    before = page.read_bytes()
    for place in ((), ("--out", out)):
        refused = freeloc(*words, "--gallery", page, *place)
        assert (refused.code, refused.out) == (2, "")
        assert f"{page} already exists" in refused.err
        assert "(--overwrite replaces the earlier output)" in refused.err
        assert page.read_bytes() == before
        assert not out.exists() or not files(out)
    page.write_text("old", "utf-8")
    replaced = freeloc(*words, "--gallery", page, "--overwrite", "--quiet", "--format", "jsonl")
    assert (replaced.code, replaced.err) == (0, "")
    assert len(replaced.out.splitlines()) == 2
    assert page.read_bytes() == before
    written = freeloc(*words, "--out", out, "--format", "gallery", "--boxes", "2")
    assert written.code == 0, written.err
    assert files(out) == {"gallery.html"}
    for file, message in (
        (tmp_path / "a.jpg", "it must be the path of an HTML file, such as gallery.html (option --gallery)"),
        (tmp_path, "it must be the path of an HTML file"),
        (images / "notes.txt" / "a.html", f"cannot write {images / 'notes.txt' / 'a.html'}"),
    ):
        refused = freeloc(*words, "--gallery", file)
        assert (refused.code, refused.out) == (2, "")
        assert message in refused.err
    refused = freeloc(*words, "--format", "gallery")
    assert refused.code == 2
    assert "cannot write the gallery: there is no output folder" in refused.err


def test_a_bad_image(freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path) -> None:
    (images / "a-torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    out = tmp_path / "out"
    words = ("predict", tiny_run, images, "--out", out, *TORCH, "--scales", "0.5", "--quiet")
    answer = freeloc(*words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: ")
    assert "a-torn.jpg" in answer.err
    assert "--skip-bad" in answer.err
    assert answer.err.count("\n") == 1
    assert not out.exists() or files(out) == set()

    answer = freeloc(*words, "--skip-bad")
    assert answer.code == 0
    assert "a-torn.jpg" in answer.err
    assert len((out / "predictions.jsonl").read_text().splitlines()) == 2


CSV_WRITER = """from freeloc.writers import Writer

class CsvWriter(Writer):
    name = "points"
    needs_image = True

    def write(self, result, image, path, name):
        file = self.path_of(f"{name}.csv")
        lines = [f"{one.name},{one.x:.1f},{one.y:.1f},{image.width}" for one in result]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\\n".join(lines))
        self.files.append(file)
"""


def test_the_writer_of_another_package(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    """A third-party package, installed as by pip."""
    site = tmp_path / "site"
    locations = {"points": "csv_points:CsvWriter", "broken": "csv_points:Missing"}
    write_package(site, "csv_points", CSV_WRITER, {"freeloc.writers": locations})
    out = tmp_path / "out"
    words = ("predict", tiny_run, images, "--out", out, *TORCH, "--scales", "0.5")
    with installed(site, "csv_points", WRITERS):
        answer = freeloc(*words, "--format", "points", "--format", "jsonl")
        refusals = [freeloc(*words, "--format", name) for name in ("pointz", "broken")]
    assert answer.code == 0, answer.err
    names = sorted(path.stem for path in images.glob("*.jpg"))
    assert files(out) == {"predictions.jsonl", *(f"{name}.csv" for name in names)}
    record = json.loads((out / "predictions.jsonl").read_text().splitlines()[0])
    points = {entry["name"]: (entry["x"], entry["y"]) for entry in record["classes"]}
    for line in (out / f"{names[0]}.csv").read_text().splitlines():
        name, x, y, width = line.split(",")
        assert (float(x), float(y)) == pytest.approx(points[name], abs=0.06)
        assert int(width) == record["width"]
    for answer, message in zip(refusals, ("did you mean 'points'?", "cannot be imported"), strict=True):
        assert (answer.code, answer.out) == (2, "")
        assert message in answer.err


def test_nothing_but_bad_images(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    torn = images / "torn.jpg"
    torn.write_bytes(b"\xff\xd8\xff torn")
    answer = freeloc("predict", tiny_run, torn, "--out", tmp_path / "out", *TORCH, "--quiet", "--skip-bad")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(
        f"freeloc: no image can be read (1 tried); the first error: cannot read image {torn}: "
    )
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


def test_results_are_not_taken_for_images(freeloc: Callable[..., Any], tiny_run: Path, images: Path) -> None:
    for where in (images, images / "found"):
        words = ("predict", tiny_run, images, "--out", where, *TORCH, "--scales", "0.5", "--overlay")
        for more in ((), ("--overwrite",)):
            answer = freeloc(*words, *more)
            assert answer.code == 0
            assert "wrote 2 predictions" in answer.err
        if where != images:
            continue
        for path in (images / "overlays").iterdir():
            path.unlink()


def test_pictures_of_other_kinds_are_counted(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    (images / "a.PSD").write_bytes(b"x")
    answer = freeloc("predict", tiny_run, images, "--out", tmp_path, *TORCH, "--scales", "0.5")
    assert answer.code == 0
    assert "skipped 1 .psd file: freeloc cannot read this format; convert to JPEG" in answer.err
    answer = freeloc("predict", tiny_run, f"{images}/*.PSD", "--out", tmp_path, *TORCH)
    assert answer.code == 2
    assert "contains only images in unsupported formats (.psd): convert to JPEG" in answer.err


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--scales", "0.5,x"), "scales is '0.5,x', which is not a list of numbers"),
        (("--scales", ","), "scales is empty: specify at least one scale, such as 1.0 (option --scales)"),
        (("--scales", "0"), "scales contains 0: specify scales between"),
        (("--scales", "nan"), "scales is (nan,): it must be a tuple of finite numbers"),
        (("--threshold", "1.5"), "threshold is 1.5: it must be at most 1"),
        (("--threshold", "nan"), "threshold is nan: it must be a finite number, at least 0"),
        (("--weights", "gone.safetensors"), "weight file gone.safetensors does not exist"),
    ],
)
def test_each_mistake_is_one_line(
    freeloc: Callable[..., Any],
    tiny_run: Path,
    images: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    wanted: str,
) -> None:
    out = tmp_path / "out"
    answer = freeloc("predict", tiny_run, images, "--out", out, *TORCH, *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: ")
    assert wanted in answer.err
    assert answer.err.count("\n") == 1
    assert not out.exists()


def test_a_missing_model_missing_images_and_a_bad_place(
    freeloc: Callable[..., Any], tiny_run: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    note = images / "notes.txt"
    for model, image, out, wanted in (
        (tmp_path / "gone", images, tmp_path / "out", "gone: the file does not exist"),
        (note, images, tmp_path / "out", f"cannot read model {note}: "),
        (tiny_run, tmp_path / "gone.jpg", tmp_path / "out", "no such file or folder"),
        (tiny_run, f"{images}/*.bmp", tmp_path / "out", "no image matches"),
        (tiny_run, tmp_path / "empty", tmp_path / "out", "contains no images"),
        (tiny_run, images, note, f"cannot write {note}"),
    ):
        answer = freeloc("predict", model, image, "--out", out, *TORCH)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith("freeloc: ")
        assert wanted in answer.err
        assert answer.err.count("\n") == 1
