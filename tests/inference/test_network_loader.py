"""Models from files and from memory, with int8 networks, cached graphs and torch."""

from __future__ import annotations

import ast
import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from freeloc.datasets import Dataset
from freeloc.errors import FreelocError, ModelError
from freeloc.inference.localizer import Localizer
from freeloc.inference.network_loader import ModelSource
from freeloc.inference.options import LocalizerOptions
from freeloc.models.calibration import Calibration
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.head import AdaptationHead
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train
from tests.fuzz.networks import add_float_network, make_model, registered_patches
from tests.inference.sample_inputs import assert_same, noise
from tests.models.model_files import rewrite
from tests.nn.backbones.test_alexnet_layers import PADDED, write
from tests.runtime.networks import Patches


def test_file_and_run_folder_are_the_same_model(tiny_run: Path, tiny_localizer: Localizer) -> None:
    by_folder = Localizer.load(str(tiny_run), runtime="torch")
    by_file = Localizer.load(tiny_run / "model.safetensors", runtime="torch")
    for loaded in (by_folder, by_file):
        assert loaded.classes == tiny_localizer.classes
        assert loaded.decision.threshold == loaded.model.header.threshold == 0.5
        assert loaded.pyramid == tiny_localizer.pyramid
        assert loaded.options.location == "fused"
    image = noise(90, 60)
    assert_same(by_folder.predict(image), by_file.predict(image))


def test_a_saved_copy_predicts_the_same(tiny_run: Path, tmp_path: Path) -> None:
    original = Localizer.load(tiny_run, runtime="torch")
    original.save(tmp_path / "copy.safetensors")
    copy = Localizer.load(tmp_path / "copy.safetensors", runtime="torch")
    assert copy.model.header.manifest == original.model.header.manifest
    assert_same(copy.predict(noise(90, 60)), original.predict(noise(90, 60)))


def test_a_calibration_is_used_however_the_model_is_run(tiny_run: Path, tmp_path: Path) -> None:
    model = Model.load(tiny_run)
    own = Calibration((0.5,) * 8, tuple(np.linspace(-2, 2, 8)), tuple(np.linspace(0.1, 0.8, 8)))
    place = tmp_path / "calibrated.safetensors"
    model.with_header(calibration=own).save(place)
    image = noise(90, 60)
    plain = Localizer.load(tiny_run, runtime="torch").predict(image)
    # The network is traced the first time; the second time, it runs from its cached graph, without the model.
    first = Localizer.load(place, runtime="openvino")
    ways = [Localizer.load(place, runtime="torch"), first]
    found = [way.predict(image) for way in ways]
    again = Localizer.load(place, runtime="openvino")
    assert "backbone" in vars(first._source)
    assert "backbone" not in vars(again._source), "the cached graph needs no backbone"
    found += [again.predict(image), next(again.predict_many([image]))]
    for result in found:
        assert result.decision.calibration == own
        np.testing.assert_array_equal(result.probabilities, own.probabilities(result.scores))
        assert result.thresholds.tolist() == list(own.thresholds)
        np.testing.assert_allclose(result.scores, plain.scores, atol=0.2)
    assert again.decision.calibration == own
    # A copy uses the cached graph, too.
    again.save(tmp_path / "copy.safetensors")
    assert Model.load(tmp_path / "copy.safetensors").header.calibration == own


@pytest.mark.slow
def test_an_int8_network_keeps_the_calibration(tiny_int8: Path, tmp_path: Path) -> None:
    own = Calibration((0.5,) * 8, (-1.0,) * 8, (0.3,) * 8)
    place = tmp_path / "calibrated.safetensors"
    Model.load(tiny_int8).with_header(calibration=own).save(place)
    localizer = Localizer.load(place, precision="int8")
    result = localizer.predict(noise(90, 60))
    np.testing.assert_array_equal(result.probabilities, own.probabilities(result.scores))
    assert localizer.model.int8 is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone_base": "0" * 64},
        {"backbone_fingerprint": "0" * 64, "backbone_base": None},
    ],
    ids=["trained with its backbone", "a head alone"],
)
def test_a_head_is_refused_on_other_weights(tiny_run: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    model = Model.load(tiny_run)
    header = dataclasses.replace(model.header, **changes)
    backbone_changes = {} if header.backbone_base is None else model.backbone_changes
    model = Model(header, model.head, backbone_changes)
    model.save(tmp_path / "other.safetensors")
    with pytest.raises(FreelocError, match="loaded for backbone efficientnet_lite0 are not those"):
        Localizer.load(tmp_path / "other.safetensors")
    with pytest.raises(FreelocError, match="are not those on which the model was trained"):
        Localizer.from_model(Model.load(tiny_run), load_backbone("efficientnet_lite1"))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"nowhere\.safetensors: the file does not exist"):
        Localizer.load(tmp_path / "nowhere.safetensors")


WITHOUT_TORCH = """
import sys
from freeloc.inference.localizer import Localizer

localizer = Localizer.load(sys.argv[1], runtime="openvino", precision="float32")
(result,) = localizer.predict_many([sys.argv[2]])
assert "torch" not in sys.modules, "torch was loaded"
print(repr((result.scores.tolist(), result.points.tolist())))
assert localizer.model.head is not None
assert "torch" in sys.modules
"""


def test_the_second_start_needs_no_torch_and_gives_the_same(
    tiny_run: Path, tiny_localizer: Localizer, tiny_scenes: Dataset
) -> None:
    image = tiny_scenes.samples[0].path
    wanted = tiny_localizer.predict(image)  # traces the graph and caches it
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tiny_run), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores, points = ast.literal_eval(done.stdout)
    np.testing.assert_allclose(scores, wanted.scores, atol=1e-5)
    np.testing.assert_allclose(points, wanted.points, atol=1e-9)


def test_a_damaged_kept_graph_is_made_anew(
    tiny_run: Path, tiny_localizer: Localizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path))
    image = noise(200, 150)
    wanted = tiny_localizer.predict(image)
    for _ in range(2):
        assert_same(Localizer.load(tiny_run, runtime="openvino", precision="float32").predict(image), wanted)
        (kept,) = tmp_path.glob("graphs/scoring*.xml")
        kept.write_bytes(kept.read_bytes()[:1000])


def test_another_head_has_a_graph_of_its_own(tiny_run: Path, tmp_path: Path) -> None:
    model = Model.load(tiny_run)
    with torch.no_grad():
        model.head.fcb.bias.add_(1.0)
    model.save(tmp_path / "other.safetensors")
    image = noise(200, 150)
    one = Localizer.load(tiny_run, precision="float32").predict(image)
    for _ in range(2):  # traced, then cached
        other = Localizer.load(tmp_path / "other.safetensors", precision="float32").predict(image)
        np.testing.assert_allclose(other.scores, one.scores + 1.0, atol=1e-4)


def test_a_file_without_layout_asks_its_backbone(
    tiny_run: Path, tiny_localizer: Localizer, tmp_path: Path
) -> None:
    old = Model.load(tiny_run).with_header(layout=None, pad_color=None)
    old.save(tmp_path / "old.safetensors")
    image = noise(200, 150)
    for _ in range(2):
        localizer = Localizer.load(tmp_path / "old.safetensors", runtime="openvino", precision="float32")
        assert_same(localizer.predict(image), tiny_localizer.predict(image))


@pytest.mark.parametrize("cached", [False, True])
def test_a_model_replaced_before_its_weights_are_read_is_refused(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "model.safetensors"
    model = Model.load(tiny_run)
    model.save(place)
    if cached:
        Localizer.load(place, runtime="openvino").predict(noise(90, 60))
    source = ModelSource.from_file(place)
    with torch.no_grad():
        model.head.fcb.bias.add_(1.0)
    model.save(place)
    with pytest.raises(ModelError, match="was replaced, modified or deleted while it was in use"):
        _ = source.model


def test_weights_changed_in_memory_do_not_use_the_graph_of_the_file(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path))
    image = noise(200, 150)
    options = LocalizerOptions(runtime="openvino", precision="float32")
    backbone = load_backbone("efficientnet_lite0")
    sound = Localizer.load(tiny_run, runtime="openvino", precision="float32").predict(image)
    for _ in range(2):
        model = Model.load(tiny_run)
        assert_same(Localizer.from_model(model, backbone, options).predict(image), sound)
        with torch.no_grad():
            model.head.fcb.bias.add_(1.0)
        changed = Localizer.from_model(model, backbone, options).predict(image)
        np.testing.assert_allclose(changed.scores, sound.scores + 1.0, atol=1e-4)
        for graph in (tmp_path / "graphs").glob("scoring*"):
            graph.unlink()
    # In the second round, the changed model came first, and nothing of it was cached.
    assert_same(Localizer.load(tiny_run, runtime="openvino", precision="float32").predict(image), sound)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda own: own["layout"].update(stride=16),
            "does not fit backbone efficientnet_lite0 .cell layout",
        ),
        (lambda own: own["layout"].update(offset=own["layout"]["offset"] + 8), "cell layout"),
        (lambda own: own.update(pad_color=[0, 0, 0]), "pad color"),
        (lambda own: own["layout"].update(stride=0), "the cell layout is out of range"),
        (
            lambda own: own.update(classes=[*own["classes"], "more"]),
            "the head has 8 classes, but there are 9",
        ),
        (
            lambda own: (own.update(classes=[*own["classes"], "more"]), own["head"].update(classes=9)),
            "fcb.weight has the shape 8×64, but the header requires 9×64",
        ),
        (lambda own: own.update(classes=own["classes"][:1] * 8), "occurs more than once"),
        (lambda own: (own.update(classes=[]), own["head"].update(classes=0)), "classes of the head is 0"),
    ],
)
def test_contradictions_are_found_at_loading_even_if_the_graph_is_cached(
    tiny_run: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    place = tmp_path / "model.safetensors"
    shutil.copy(tiny_run / "model.safetensors", place)
    Localizer.load(place, runtime="openvino").predict(noise(90, 60))  # caches the graph
    rewrite(place, change)
    for _ in range(2):
        with pytest.raises(ModelError, match=message):
            Localizer.load(place, runtime="openvino")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: own["layout"].update(stride=16), "created for another layout"),
        (lambda own: own.update(pad_color=[0, 0, 0]), "created for another pad color"),
        (lambda own: own["int8"].update(sha256="0" * 64), "does not match the stored hash"),
        (lambda own: own["int8"].update(sha256=None), "does not match the stored hash"),
        (lambda own: own.update(int8=None), "its int8 network and its header must be present together"),
    ],
)
def test_contradictions_of_an_int8_network_are_found_at_loading(
    tiny_int8: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    place = tmp_path / "model.safetensors"
    shutil.copy(tiny_int8, place)
    rewrite(place, change)
    with pytest.raises(ModelError, match=message):
        Localizer.load(place, precision="int8")


@pytest.mark.slow
def test_an_int8_network_with_other_outputs_is_found_at_loading(tiny_int8: Path, tmp_path: Path) -> None:
    """A head for one class less, with the int8 network of the whole head."""
    model = Model.load(tiny_int8)
    settings = dataclasses.replace(model.head.settings, classes=7)
    head = AdaptationHead(settings)
    int8 = {key: value for key, value in (model.header.int8 or {}).items() if key != "head"}
    header = dataclasses.replace(
        model.header, classes=model.header.classes[:7], head=settings, calibration=None, int8=int8
    )
    Model(header, head, model.backbone_changes, model.int8).save(tmp_path / "m")
    with pytest.raises(ModelError, match="the outputs of its int8 network do not fit 7 classes"):
        Localizer.load(tmp_path / "m", precision="int8")


def test_a_damaged_graph_is_told_once(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path))
    image = noise(90, 60)
    wanted = Localizer.load(tiny_run, runtime="openvino", precision="float32").predict(image)
    (weights,) = tmp_path.glob("graphs/scoring*.bin")
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    for _ in range(2):
        assert_same(Localizer.load(tiny_run, runtime="openvino", precision="float32").predict(image), wanted)
    (record,) = caplog.records
    assert "is damaged, so the network is prepared again" in record.getMessage()


def test_the_weight_file_restores_the_architecture_on_which_a_model_was_trained(
    tiny_training: Dataset, tmp_path: Path
) -> None:
    described = PADDED[0]
    weights = write(tmp_path / "net.safetensors", described)
    recipe = Recipe(name="tiny", epochs=1, hidden=4, scales=(0.3,), test_scales=(0.3,))
    settings = TrainingSettings(backbone="alexnet", weights=weights, recipe=recipe, report=False)
    train(tiny_training, tmp_path / "run", settings, quiet=True)
    localizer = Localizer.load(tmp_path / "run", weights=weights)
    assert (localizer.model.header.layout, localizer.model.header.pad_color) == (
        described.layout,
        tuple(round(value) for value in described.mean),
    )
    image = noise(90, 60)
    found = localizer.predict(image)
    assert found.map(found.classes[0]).shape == (60, 90)
    torch_found = Localizer.load(tmp_path / "run", weights=weights, runtime="torch").predict(image)
    np.testing.assert_allclose(found.scores, torch_found.scores, rtol=1e-2, atol=1e-2)

    layers = tuple(
        dataclasses.replace(layer, pools_first=not layer.pools_first) for layer in described.layers
    )
    other = write(tmp_path / "other.safetensors", dataclasses.replace(described, layers=layers))
    with pytest.raises(FreelocError, match="are not those on which the model was trained"):
        Localizer.load(tmp_path / "run", weights=other)


# --- an int8 network of other weights ------------------------------------------------------------------------


@pytest.fixture
def quantized(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A model whose int8 network runs everywhere, because it computes in float."""
    monkeypatch.setattr("freeloc.inference.options.int8_is_fastest", lambda: True)
    monkeypatch.setattr("freeloc.inference.network_loader.cpu_supports_int8", lambda: True)
    backbone = Patches()
    with registered_patches():
        yield add_float_network(make_model(backbone, ("cat", "dog"), hidden=4), backbone)


@pytest.fixture(params=["from_model", "save and load"])
def localizer_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Model, Any], Localizer]:
    """Return a function that runs a model in OpenVINO, from memory or from a file."""

    def make(model: Model, precision: Any) -> Localizer:
        if request.param == "from_model":
            options = LocalizerOptions(runtime="openvino", precision=precision)
            return Localizer.from_model(model, Patches(), options)
        model.save(tmp_path / "m.safetensors")
        return Localizer.load(tmp_path / "m.safetensors", runtime="openvino", precision=precision)

    return make


def test_an_int8_network_of_the_same_weights_is_used(
    quantized: Model, localizer_of: Callable[[Model, Any], Localizer], caplog: pytest.LogCaptureFixture
) -> None:
    for precision in ("auto", "int8"):
        assert localizer_of(quantized, precision).prepare().precision == "int8"
    assert not caplog.records


@pytest.mark.parametrize("knows_weights", [True, False])
def test_an_int8_network_of_other_weights_is_not_used(
    quantized: Model,
    localizer_of: Callable[[Model, Any], Localizer],
    knows_weights: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with torch.no_grad():
        quantized.head.fcb.bias.add_(10)
    if not knows_weights:
        quantized = quantized.with_header(int8={"images": 3})
        for precision in ("auto", "int8"):
            assert localizer_of(quantized, precision).prepare().precision == "int8"
        return
    with pytest.raises(
        ModelError, match="weights have changed since its int8 network was created: create it"
    ) as one:
        localizer_of(quantized, "int8")
    assert one.value.parameter == "precision"
    assert not caplog.records
    localizer = localizer_of(quantized, "auto")
    assert localizer.prepare().precision in {"float32", "bfloat16"}
    (record,) = caplog.records
    assert "created, so it is not used: create it again with freeloc quantize" in record.getMessage()
    exact = localizer_of(quantized, "float32").predict(noise(90, 60))
    np.testing.assert_allclose(localizer.predict(noise(90, 60)).scores, exact.scores, atol=0.5)
