"""Files of exported models, and programs that read them without freeloc."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
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
from freeloc.inference.result import Localization
from freeloc.io.lock import lock_file
from freeloc.posttraining.export import requirements
from freeloc.posttraining.export.export_model import export_model
from freeloc.runtime.openvino_import import openvino_core
from tests.posttraining.export.small_model import CLASSES
from tests.posttraining.export.test_localization import a_photo

PAGE = (Path(package.__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_metadata_say_what_the_file_is(run: Path, files: Path) -> None:
    onnx.checker.check_model(str(files / "small.onnx"), full_check=True)
    metadata = onnxruntime.InferenceSession(files / "small.onnx").get_modelmeta().custom_metadata_map
    assert metadata["freeloc"] == package.__version__
    values = {name: json.loads(text) for name, text in metadata.items() if name != "freeloc"}
    assert values["classes"] == list(CLASSES)
    assert values["thresholds"] == [0.3, 0.5, 0.4, 0.25, 0.9]
    assert (values["scales"], values["preset"], values["location"]) == ([1.4], "fast", "fused")
    assert values["model"]["name"] == "run"
    assert values["model"]["hash"] == Localizer.load(run).model.content_hash
    graph = openvino_core().read_model(files / "small.xml")
    assert {name: graph.get_rt_info(["freeloc", name]).value for name in metadata} == metadata


def check(found: Sequence[Any], expected: Localization) -> None:
    """Compare probabilities, points and maps with those of Python."""
    probabilities, points, maps = found
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(maps, expected.maps, atol=1e-4)
    np.testing.assert_allclose(points, expected.points, atol=0.5)


def test_openvino_finds_the_same_points(run: Path, files: Path) -> None:
    core = openvino_core()
    network = core.compile_model(files / "small.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    localizer = Localizer.load(run, preset="fast", runtime="torch", precision="float32")
    for width, height in ((333, 500), (641, 480), (97, 61), (1511, 1011), (1, 300), (4000, 2000)):
        image = a_photo(width, height)
        found = network(image)
        check([found[name] for name in ("probabilities", "points", "maps")], localizer(image))


def photo() -> Image.Image:
    return Image.fromarray(a_photo(301, 203) // 3 + 150)


def turned_photo() -> Image.Image:
    image = photo().transpose(Image.Transpose.ROTATE_90)
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.info["exif"] = exif.tobytes()
    return image


def transparent_photo() -> Image.Image:
    image = photo()
    image.putalpha(Image.fromarray(a_photo(301, 203)[..., 0] // 128 * 255))
    return image


def deep_photo() -> Image.Image:
    """Gray with 16 bits."""
    return Image.fromarray(a_photo(301, 203)[..., 1].astype(np.uint16) * 199)


@pytest.mark.parametrize(
    ("image", "file_format"),
    [
        (turned_photo(), "JPEG"),
        (photo().resize((1, 1)), "PNG"),
        (photo().resize((1, 5000)), "PNG"),
        (photo().convert("L"), "PNG"),
        (photo().convert("CMYK"), "TIFF"),
        (photo().convert("P"), "GIF"),
        (transparent_photo(), "PNG"),
        (deep_photo(), "PNG"),
    ],
    ids=["turned", "1x1", "1x5000", "gray", "cmyk", "palette", "transparent", "16-bit"],
)
def test_the_program_on_the_page_finds_the_points_of_python(
    image: Image.Image,
    file_format: str,
    run: Path,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(files / "small.onnx", "model.onnx")
    image.save("street.jpg", file_format, **{"exif": image.info["exif"]} if "exif" in image.info else {})
    _, consumer, _ = PROGRAMS
    assert "freeloc" not in consumer
    assert len(consumer.splitlines()) <= 20
    names: dict[str, Any] = {}
    exec(compile(consumer, "export.md", "exec"), names)
    expected = Localizer.load(run, preset="fast", runtime="torch", precision="float32")("street.jpg")
    check([names[name] for name in ("probabilities", "points", "maps")], expected)
    present = expected.present()
    assert file_format != "JPEG" or 0 < len(present) < len(CLASSES)
    lines = [line.rpartition(" at ")[0] for line in capsys.readouterr().out.splitlines()]
    assert sorted(lines) == sorted(f"{item.name} {item.probability:.0%}" for item in present)


def test_the_other_programs_on_the_page(
    run: Path, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").touch()
    export, _, openvino = PROGRAMS
    # It would write the same file as the fixture, so it need not do so again.
    with pytest.raises(OutputError, match=r"model\.onnx already exists"):
        exec(compile(export, "export.md", "exec"), {})
    for path in files.glob("small.[xb]*"):
        shutil.copy(path, path.name.replace("small", "model"))
    names: dict[str, Any] = {"image": photo()}
    exec(compile(openvino, "export.md", "exec"), names)
    assert names["classes"] == list(CLASSES)
    expected = Localizer.load(run, preset="fast", runtime="torch", precision="float32")(names["image"])
    check([names[name] for name in ("probabilities", "points", "maps")], expected)


def test_the_command_writes_a_file_of_static_shape(
    run: Path, tmp_path: Path, freeloc: Callable[..., Any]
) -> None:
    words = ("--onnx", tmp_path / "a.onnx", "--scales", "0.7", "--size", "120x90", "--location", "paper")
    answer = freeloc("export", run, *words)
    assert answer.code == 0, answer.err
    assert re.fullmatch(r"wrote .*a\.onnx \(\d+\.\d MB\)\n", answer.err)
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    assert session.get_inputs()[0].shape == [90, 120, 3]
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["scales"], metadata["location"]) == ("[0.7]", '"paper"')
    image = a_photo(120, 90)
    _, _, points, _ = session.run(None, {"image": image})
    expected = Localizer.load(run, scales=(0.7,), location="paper", runtime="torch", precision="float32")(
        image
    )
    np.testing.assert_allclose(points, expected.points, atol=0.01)


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


def test_an_int8_network_is_left_out(tmp_path: Path, freeloc: Callable[..., Any]) -> None:
    """That is said before any work, which is prevented here."""
    with lock_file(tmp_path / "a.onnx"):
        answer = freeloc("export", "voc20", "--onnx", tmp_path / "a.onnx")
    note, error = answer.err.splitlines()
    assert note == "the file computes in float32: the model's int8 network is not exported"
    assert "another freeloc process is writing to it" in error


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        requirements, "find_spec", lambda name: None if name == "onnxscript" else find_spec(name)
    )
    with pytest.raises(MissingDependencyError, match=r"run pip install 'freeloc\[onnx\]'"):
        export_model("voc20", onnx=tmp_path / "a.onnx")


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="size"):
        export_model("voc20", onnx=tmp_path / "a.onnx", scales=(1.0,), size=(0, 3))
    with pytest.raises(ConfigurationError, match="location"):
        export_model("voc20", onnx=tmp_path / "a.onnx", location="central")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="point"):
        export_model("voc20", onnx=tmp_path / "a.onnx", point="central")  # type: ignore[call-arg]
    with pytest.raises(OutputError, match="is a folder|already exists"):
        export_model("voc20", onnx=tmp_path)
