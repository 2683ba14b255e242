"""Int8 networks: creation, storage in the model file, and execution."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from freeloc.datasets import Dataset
from freeloc.errors import FreelocError, ModelError
from freeloc.inference.localizer import Localizer
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.presets import Preset
from freeloc.models.header import ModelFile
from freeloc.models.int8_weights import FLOAT_WEIGHTS
from freeloc.models.model import Model
from freeloc.posttraining.quantize import quantize
from freeloc.runtime import QuantizedGraph, cpu_supports_int8, int8_is_fastest
from freeloc.training.device import use_threads
from freeloc.training.quantization.nncf_quantization import quantize_network

ON_ITS_OWN = """
import sys
from freeloc.inference.localizer import Localizer

localizer = Localizer.load(sys.argv[1], precision="int8", runtime="openvino")
localizer.predict(sys.argv[2])
assert localizer._latency_network.precision == "int8"
for heavy in ("torch", "nncf"):
    assert heavy not in sys.modules, heavy
"""


def test_head_and_float_network_stay_as_they_are(tiny_run: Path, tiny_int8: Path) -> None:
    before, after = Model.load(tiny_run), Model.load(tiny_int8)
    for key, value in before.head.state_dict().items():
        assert torch.equal(after.head.state_dict()[key], value)
    assert (after.header.classes, after.header.scales, after.header.manifest) == (
        before.header.classes,
        before.header.scales,
        before.header.manifest,
    )
    assert before.int8 is None
    assert after.int8 is not None
    assert after.header.int8 is not None
    assert after.header.int8["images"] == 8
    assert 8 <= after.header.int8["canvases"] <= 16
    assert {"openvino", "nncf", "seed", "sha256"} <= after.header.int8.keys()
    assert after.header.int8[FLOAT_WEIGHTS] == after.float_weights_digest() == before.float_weights_digest()


runs_int8 = pytest.mark.skipif(
    not cpu_supports_int8(), reason="int8 networks are inaccurate on this CPU, or do not run"
)


def test_the_weights_are_of_eight_bits(tiny_int8: Path) -> None:
    import openvino

    graph = Model.load(tiny_int8).int8
    assert graph is not None
    network = openvino.Core().read_model(graph.structure, graph.weights)
    nodes = network.get_ordered_ops()
    weighty = [node for node in nodes if node.get_type_name() in {"Convolution", "GroupConvolution"}]
    assert len(weighty) > 40
    sizes = {node.get_element_type().get_type_name(): 0 for node in nodes}
    for node in nodes:
        if node.get_type_name() == "Constant":
            shape = node.get_output_shape(0)
            sizes[node.get_element_type().get_type_name()] += int(np.prod(shape))
    # Only biases, ranges and factors are float32.
    assert sizes["i8"] > 20 * sizes["f32"]


@runs_int8
def test_it_finds_what_float32_finds(
    tiny_int8: Path, tiny_localizer: Localizer, tiny_scenes: Dataset
) -> None:
    eight = Localizer.load(tiny_int8, precision="int8", runtime="openvino")
    assert eight._latency_network.precision == "int8"
    near = []
    for sample in tiny_scenes:
        found, wanted = eight.predict(sample.path), tiny_localizer.predict(sample.path)
        assert np.corrcoef(found.scores, wanted.scores)[0, 1] > 0.96
        gaps = np.abs(found.points - wanted.points).max(axis=1)
        sure = (sample.labels == 1) & (wanted.scores > 0)
        near += list(gaps[sure] <= 32 * wanted.image_size.longest / 500)
    assert len(near) > 5
    # About ten points of a head trained on a few scenes, of which two may lie on a plateau.
    assert np.mean(near) > 0.75


def test_maxima_are_not_rounded_to_eight_bits(tiny_int8: Path, tiny_scenes: Dataset) -> None:
    eight = Localizer.load(tiny_int8, precision="int8", runtime="openvino")
    for scale_map in eight.score_maps(tiny_scenes.samples[0].path):
        np.testing.assert_array_equal(scale_map.maxima, scale_map.values.max(axis=(1, 2)))


@runs_int8
def test_it_runs_without_torch_and_without_nncf(tiny_int8: Path, tiny_scenes: Dataset) -> None:
    command = [sys.executable, "-c", ON_ITS_OWN, str(tiny_int8), str(tiny_scenes.samples[0].path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_both_ways_to_a_localizer_are_the_same(tiny_int8: Path, tiny_scenes: Dataset) -> None:
    from freeloc.nn.backbones.registry import load_backbone

    model = Model.load(tiny_int8)
    image = tiny_scenes.samples[1].path
    options = LocalizerOptions(precision="int8", runtime="openvino")
    by_hand = Localizer.from_model(model, load_backbone(model.header.backbone), options).predict(image)
    loaded = Localizer.load(tiny_int8, precision="int8", runtime="openvino").predict(image)
    np.testing.assert_array_equal(by_hand.scores, loaded.scores)
    np.testing.assert_array_equal(by_hand.points, loaded.points)


def test_saving_keeps_it(tiny_int8: Path, tmp_path: Path) -> None:
    Model.load(tiny_int8).save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == tiny_int8.read_bytes()


def test_the_same_images_make_the_same_network_with_any_number_of_threads(
    tiny_run: Path, tiny_training: Dataset, tiny_int8: Path, tmp_path: Path
) -> None:
    paths = [sample.path for sample in tiny_training]
    with use_threads(torch.get_num_threads() % 2 + 1):  # two where `tiny_int8` was created with one
        again = quantize(tiny_run, paths, out=tmp_path / "again", calibration_images=8, quiet=True)
    wanted = Model.load(tiny_int8).int8
    assert again.int8 is not None
    assert wanted is not None
    assert again.int8.digest() == wanted.digest()


@pytest.mark.parametrize("preset", ["fast", "balanced", "best", None])
def test_it_is_used_where_it_is_fastest(tiny_int8: Path, tiny_run: Path, preset: Preset | None) -> None:
    with_it = Localizer.load(tiny_int8, preset=preset, runtime="openvino")
    assert (with_it._latency_network.precision == "int8") == int8_is_fastest()
    without = Localizer.load(tiny_run, preset=preset, runtime="openvino")
    assert without._latency_network.precision != "int8"
    asked = Localizer.load(tiny_int8, preset=preset, runtime="openvino", precision="float32")
    assert asked._latency_network.precision == "float32"


def test_a_processor_on_which_it_is_inaccurate_uses_the_float_network(
    tiny_int8: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("freeloc.inference.network_loader.cpu_supports_int8", lambda: False)
    with caplog.at_level(logging.WARNING, "freeloc"):
        localizer = Localizer.load(tiny_int8, precision="int8", runtime="openvino")
    assert localizer.prepare().precision in {"float32", "bfloat16"}
    assert "the int8 network is not used on this processor" in caplog.text
    with pytest.raises(ModelError, match="no int8 network"):
        Localizer.load(tiny_run, precision="int8", runtime="openvino")


class TestMistakes:
    def test_a_model_without_it(self, tiny_run: Path) -> None:
        with pytest.raises(
            FreelocError,
            match=r"no int8 network: create one with freeloc quantize \(in Python, freeloc\.quantize\)",
        ):
            Localizer.load(tiny_run, precision="int8", runtime="openvino")

    def test_torch_is_asked_for_it(self, tiny_int8: Path) -> None:
        with pytest.raises(FreelocError, match=r"precision is 'int8' and runtime is 'torch': only OpenVINO"):
            Localizer.load(tiny_int8, precision="int8", runtime="torch")

    def test_a_damaged_network(self, tiny_int8: Path, tmp_path: Path) -> None:
        data = bytearray(tiny_int8.read_bytes())
        start = data.index(b"<?xml")
        data[start + 5000] ^= 1
        (tmp_path / "torn").write_bytes(data)
        with pytest.raises(FreelocError, match="torn is damaged: its int8 network"):
            ModelFile.open(tmp_path / "torn").int8_graph()
        with pytest.raises(FreelocError, match="torn is damaged"):
            Localizer.load(tmp_path / "torn", precision="int8", runtime="openvino")

    def test_no_images(self, tiny_run: Path) -> None:
        for images, count in (([], 4), (["a.jpg"], 0)):
            with pytest.raises(FreelocError, match="specify at least one"):
                quantize(tiny_run, images, calibration_images=count)

    def test_a_image_that_cannot_be_read(self, tiny_run: Path, tmp_path: Path) -> None:
        pytest.importorskip("nncf", reason="the extra int8 is not installed")
        (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
        with pytest.raises(FreelocError, match=r"torn\.jpg"):
            quantize(tiny_run, [tmp_path / "torn.jpg"], out=tmp_path / "out", quiet=True)
        assert not (tmp_path / "out").exists()

    def test_a_model_replaced_meanwhile(
        self, tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("nncf", reason="the extra int8 is not installed")
        place = tmp_path / "model.safetensors"
        model = Model.load(tiny_run)
        model.save(place)

        def calibrated_meanwhile(*arguments: Any) -> QuantizedGraph:
            graph = quantize_network(*arguments)
            model.with_header(threshold=0.25).save(place)
            return graph

        monkeypatch.setattr(
            "freeloc.training.quantization.int8_network.quantize_network", calibrated_meanwhile
        )
        with pytest.raises(ModelError, match="was replaced, modified or deleted while it was in use"):
            quantize(place, [tiny_scenes.samples[0].path], quiet=True)
        kept = Model.load(place)
        assert (kept.header.threshold, kept.int8) == (0.25, None)

    def test_other_weights_of_a_frozen_backbone(
        self, tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path
    ) -> None:
        pytest.importorskip("nncf", reason="the extra int8 is not installed")
        model = Model.load(tiny_run)
        header = replace(model.header, backbone_base=None, backbone_fingerprint="0" * 64)
        Model(header, model.head).save(tmp_path / "m")
        with pytest.raises(FreelocError, match="are not those on which the model was trained"):
            quantize(tmp_path / "m", [tiny_scenes.samples[0].path], quiet=True)

    def test_nncf_is_not_there(
        self, tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "nncf", None)
        with pytest.raises(FreelocError, match=r"pip install 'freeloc\[int8\]'"):
            quantize(tiny_run, [tiny_scenes.samples[0].path], out=tmp_path / "out", quiet=True)
        assert not (tmp_path / "out").exists()

    def test_a_missing_nncf_is_noticed_before_anything_is_read(
        self, freeloc: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "nncf", None)
        answer = freeloc("quantize", tmp_path / "no model", tmp_path / "no image")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err == (
            "freeloc: quantization requires NNCF, which is not installed: run pip install 'freeloc[int8]'\n"
        )


def test_the_callers_logging_is_left_alone(tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    own, handler = logging.getLogger("nncf"), logging.Handler(logging.DEBUG)
    own.addHandler(handler)
    before = own.level, logging.getLoggerClass()
    try:
        quantize(tiny_run, [tiny_scenes.samples[0].path], out=tmp_path / "out", quiet=True)
    finally:
        own.removeHandler(handler)
    assert handler.level == logging.DEBUG
    assert (own.level, logging.getLoggerClass()) == before


def test_the_command(
    freeloc: Callable[..., Any], tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    image, out = tiny_scenes.samples[0].path, tmp_path / "eight.safetensors"
    answer = freeloc("quantize", tiny_run, image.parent, "--out", out, "--calibration-images", 2)
    assert (answer.code, answer.out) == (0, "")
    assert "quantization calibration on 2 images" in answer.err
    assert "measuring value ranges" in answer.err
    assert "Statistics" not in answer.err  # NNCF's own progress
    assert f"wrote {out}" in answer.err
    answer = freeloc("predict", out, image, "--precision", "int8", "--out", tmp_path / "found", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    assert (tmp_path / "found" / "predictions.jsonl").stat().st_size > 0
    answer = freeloc("train", image.parent, "--out", tmp_path / "run", "--precision", "int8")
    assert answer.code == 2
