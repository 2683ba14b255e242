"""Files of exported models, and programs that read them without freeloc."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import freeloc as package
from freeloc.errors import ConfigurationError, MissingDependencyError, OutputError
from freeloc.inference.localizer import Localizer
from freeloc.posttraining.export import requirements
from freeloc.posttraining.export.export_model import export_model
from freeloc.runtime.openvino_import import openvino_core
from tests.posttraining.export.small_model import CLASSES
from tests.posttraining.export.test_localization import a_photo

PAGE = (Path(package.__file__).parents[2] / "docs" / "export.md").read_text("utf-8")


def test_the_metadata_say_what_the_file_is(run: Path, files: Path) -> None:
    onnx.checker.check_model(str(files / "small.onnx"), full_check=True)
    metadata = onnxruntime.InferenceSession(files / "small.onnx").get_modelmeta().custom_metadata_map
    assert metadata["freeloc"] == package.__version__
    values = {name: json.loads(text) for name, text in metadata.items() if name != "freeloc"}
    assert values["classes"] == list(CLASSES)
    assert values["thresholds"] == [0.3, 0.5, 0.4, 0.25, 0.9]
    assert (values["scales"], values["preset"]) == ([1.4], "fast")
    assert values["model"]["name"] == "run"
    assert values["model"]["hash"] == Localizer.load(run).model.content_hash
    graph = openvino_core().read_model(files / "small.xml")
    assert {name: graph.get_rt_info(["freeloc", name]).value for name in metadata} == metadata


def test_openvino_finds_the_same_points(run: Path, files: Path) -> None:
    core = openvino_core()
    network = core.compile_model(
        core.read_model(files / "small.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    localizer = Localizer.load(run, preset="fast", runtime="torch", precision="float32")
    for width, height in ((333, 500), (641, 480), (97, 61), (1511, 1011)):
        image = a_photo(width, height)
        found, expected = network(image), localizer(image)
        # OpenVINO computes the weights of resizing in float32, so some pixels differ by one gray level.
        np.testing.assert_allclose(found["probabilities"], expected.probabilities, atol=5e-3)
        np.testing.assert_allclose(found["maps"], expected.maps, atol=1e-2)
        heights = expected.maps.reshape(len(CLASSES), -1).max(axis=1)
        rows, cols = expected.maps.shape[1:]
        for label, (x, y) in enumerate(found["points"]):
            value = expected.maps[label, int(y * rows / height), int(x * cols / width)]
            assert value == pytest.approx(heights[label], abs=2e-3)


def test_the_program_on_the_page_finds_the_points_of_python(
    run: Path,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(files / "small.onnx", "model.onnx")
    stored = Image.fromarray(a_photo(301, 203) // 3 + 150).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    stored.save("street.jpg", exif=exif)
    export, consumer = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    # It writes the same file as the fixture, so it need not do so again.
    with pytest.raises(OutputError, match=r"model\.onnx already exists"):
        exec(compile(export, "export.md", "exec"), {})
    assert "freeloc" not in consumer
    assert len(consumer.splitlines()) <= 20
    capsys.readouterr()
    exec(compile(consumer, "export.md", "exec"), {})
    present = Localizer.load(run, preset="fast", runtime="torch", precision="float32")("street.jpg").present()
    assert 0 < len(present) < len(CLASSES)
    lines = [f"{item.name} {item.probability:.0%} at ({item.x:.1f}, {item.y:.1f})" for item in present]
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(lines)


def test_the_command_writes_a_file_of_static_shape(
    run: Path, tmp_path: Path, freeloc: Callable[..., Any]
) -> None:
    answer = freeloc("export", run, "--onnx", tmp_path / "a.onnx", "--scales", "0.7", "--size", "120x90")
    assert answer.code == 0, answer.err
    assert re.fullmatch(r"wrote .*a\.onnx \(\d+\.\d MB\)\n", answer.err)
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    assert session.get_inputs()[0].shape == [90, 120, 3]
    assert session.get_modelmeta().custom_metadata_map["scales"] == "[0.7]"


def test_mistakes_are_explained(run: Path, tmp_path: Path, freeloc: Callable[..., Any]) -> None:
    existing = tmp_path / "there.onnx"
    existing.write_text("mine")
    cases = {
        (): r"there is no file to write: specify onnx or openvino \(option --onnx\)",
        ("--onnx", existing): r"there\.onnx already exists: .* \(--overwrite replaces the earlier output\)",
        ("--openvino", tmp_path / "a.onnx"): r"a\.onnx does not end in \.xml.*\(option --openvino\)",
        ("--onnx", tmp_path / "a.onnx", "--size", "90"): r"size is '90': .*like 640x480 \(option --size\)",
        ("--onnx", tmp_path / "a.onnx", "--size", "9x9"): r"one scale, but there are 2.*\(option --preset\)",
        ("--onnx", tmp_path / "a.onnx", "--scales", "1", "--size", "0x9"): r"size .*",
    }
    for words, message in cases.items():
        answer = freeloc("export", run, *words)
        assert answer.code == 2
        assert re.fullmatch(rf"freeloc: .*{message}\n", answer.err), answer.err
    assert existing.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [existing]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        requirements, "find_spec", lambda name: None if name == "onnxscript" else find_spec(name)
    )
    with pytest.raises(MissingDependencyError, match=r"run pip install 'freeloc\[onnx\]'"):
        export_model("voc20", onnx=tmp_path / "a.onnx")


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="size"):
        export_model("voc20", onnx=tmp_path / "a.onnx", scales=(1.0,), size=(0, 3))
    with pytest.raises(OutputError, match="is a folder|already exists"):
        export_model("voc20", onnx=tmp_path)
