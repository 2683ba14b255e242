"""The localizer: what goes in, what comes out, and that both ways of running it agree."""

from __future__ import annotations

import ast
import dataclasses
import io
import itertools
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from freeloc.datasets import Dataset
from freeloc.errors import FreelocError, ImageError
from freeloc.geometry.size import Size
from freeloc.images.decode import load_image
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.inference.score_map import sigmoid
from freeloc.models.calibration import Calibration
from freeloc.models.model import Model
from freeloc.nn.backbones.registry import load_backbone


def assert_same(found: Localization, wanted: Localization) -> None:
    assert found.image_size == wanted.image_size
    assert found.classes == wanted.classes
    for field in ("scores", "points", "responses", "maps"):
        np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field), err_msg=field)


def assert_sound(result: Localization, size: Size) -> None:
    """What holds for every image, however odd."""
    assert result.image_size == size
    assert result.scores.shape == (len(result.classes),)
    for values in (result.scores, result.points, result.responses, result.maps):
        assert np.isfinite(values).all()
    assert (result.points >= 0).all()
    assert (result.points <= (size.width, size.height)).all()
    assert result.map(result.classes[0]).shape == (size.height, size.width)


def cell_of(image: Size, scale: float) -> float:
    """Side of one cell of the EfficientNet backbones at a scale, in image pixels."""
    return 32 * image.longest / (500 * scale)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Coarse coloured patches: every part of the image looks different."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (max(1, height // 40), max(1, width // 40), 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST))


class Endless:
    """Images without end, and how many were taken."""

    taken = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for seed in itertools.count():
            self.taken += 1
            yield noise(16, 16, seed)


# --- loading ----------------------------------------------------------------------------------------------


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
    # The first time the network is traced; the second it is run from its kept graph, without the model.
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
    # A copy keeps it.
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
    with pytest.raises(FreelocError, match="other weights of backbone efficientnet_lite0"):
        Localizer.load(tmp_path / "other.safetensors")
    with pytest.raises(FreelocError, match="other weights"):
        Localizer.from_model(Model.load(tiny_run), load_backbone("efficientnet_lite1"))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"nowhere\.safetensors: the file does not exist"):
        Localizer.load(tmp_path / "nowhere.safetensors")


# --- the graph kept on disk --------------------------------------------------------------------------------

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
    wanted = tiny_localizer.predict(image)  # traces the graph and keeps it
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
    for _ in range(2):  # traced, then kept
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


# --- what goes in -----------------------------------------------------------------------------------------


def test_file_picture_and_array_give_the_same(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    path = tiny_scenes.samples[0].path
    by_path = tiny_localizer.predict(path)
    assert_same(tiny_localizer.predict(str(path)), by_path)
    with Image.open(path) as picture:
        assert_same(tiny_localizer.predict(picture), by_path)
    by_array = tiny_localizer.predict(load_image(path))
    assert_same(by_array, by_path)
    assert by_path.path == path
    assert by_array.path is None


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_rotation_gives_upright_coordinates(
    tiny_localizer: Localizer, tmp_path: Path, orientation: int
) -> None:
    upright = noise(300, 170, seed=orientation)
    # What a camera stores: the turn the EXIF tag names brings it back upright.
    turns = {3: 2, 6: 1, 8: -1}
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright, turns[orientation])))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    turned = tiny_localizer.predict(tmp_path / "turned.png")
    assert turned.image_size == Size(300, 170)
    assert_same(turned, tiny_localizer.predict(upright))


@pytest.mark.parametrize(
    "size", [Size(3000, 20), Size(20, 3000), Size(1, 1), Size(3000, 2000), Size(33, 500)]
)
@pytest.mark.parametrize("location", ["fused", "paper"])
def test_images_of_odd_sizes(tiny_localizer: Localizer, size: Size, location: str) -> None:
    maps = tiny_localizer.score_maps(noise(size.width, size.height))
    assert_sound(tiny_localizer.localize(maps, mode=location), size)


def test_an_unreadable_image_is_named(tiny_localizer: Localizer, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no image")
    with pytest.raises(FreelocError, match=r"torn\.jpg"):
        tiny_localizer.predict(tmp_path / "torn.jpg")


# --- many -------------------------------------------------------------------------------------------------


def test_many_equals_one_by_one(tiny_localizer: Localizer, tiny_scenes: Dataset) -> None:
    paths = [sample.path for sample in tiny_scenes]
    one_by_one = [tiny_localizer.predict(path) for path in paths]
    together = list(tiny_localizer.predict_many(paths))
    assert [result.path for result in together] == paths
    for found, wanted in zip(together, one_by_one, strict=True):
        assert_same(found, wanted)
    raw = list(tiny_localizer.score_maps_many(paths))
    for maps, wanted in zip(raw, one_by_one, strict=True):
        assert_same(tiny_localizer.localize(maps), wanted)


def test_many_takes_images_only_as_they_are_needed(tiny_localizer: Localizer) -> None:
    images = Endless()
    results = tiny_localizer.predict_many(images)
    assert images.taken == 0
    for done in range(1, 9):
        next(results)
        # However many went by, only a handful wait: decoding runs a few ahead, never away.
        assert done <= images.taken <= done + 10
    results.close()


@pytest.mark.parametrize("batch", [1, 3])
def test_results_come_with_their_decoded_images(tiny_run: Path, tmp_path: Path, batch: int) -> None:
    localizer = Localizer.load(tiny_run, runtime="torch", precision="float32", batch=batch)
    large = noise(4100, 2900)
    Image.fromarray(large).save(tmp_path / "large.jpg")
    Image.fromarray(noise(60, 90)).save(tmp_path / "small.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    paths = [tmp_path / "large.jpg", tmp_path / "bad.png", tmp_path / "small.png"]
    reduced, bad, small = localizer.predict_stream(paths, with_images=True)
    assert isinstance(bad, ImageError)
    assert not isinstance(reduced, ImageError)
    assert not isinstance(small, ImageError)
    # At scale 1, a canvas is 500 pixels wide, and a JPEG is decoded at no less than twice that.
    assert reduced[0].image_size == Size(4100, 2900)
    assert reduced[1] is not None
    assert (reduced[1].mode, reduced[1].size) == ("RGB", (1025, 725))
    assert small[1] is not None
    np.testing.assert_array_equal(np.asarray(small[1]), noise(60, 90))
    for outcome, path in ((reduced, paths[0]), (small, paths[2])):
        assert outcome[0].path == path
        np.testing.assert_array_equal(outcome[0].points, localizer.predict(path).points)


def test_an_image_is_decoded_once(
    tiny_localizer: Localizer, tiny_scenes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeloc.images import canvas

    decoded: list[object] = []
    original = canvas.open_reduced

    def counting(source: Any, longest: int | None) -> Any:
        decoded.append(source)
        return original(source, longest)

    monkeypatch.setattr(canvas, "open_reduced", counting)
    paths = [sample.path for sample in tiny_scenes]
    assert len(list(tiny_localizer.predict_stream(paths, with_images=True))) == len(paths)
    assert sorted(map(str, decoded)) == sorted(map(str, paths))


@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_bytes_and_open_files_are_predicted(
    tiny_localizer: Localizer, tiny_scenes: Dataset, kind: str
) -> None:
    path = tiny_scenes.samples[0].path
    source = path.read_bytes() if kind == "bytes" else io.BytesIO(path.read_bytes())
    found = tiny_localizer.predict(source)
    assert_same(found, tiny_localizer.predict(path))
    assert found.path is None


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_several_threads_may_share_one(tiny_run: Path, tiny_localizer: Localizer, runtime: str) -> None:
    shared = tiny_localizer if runtime == "openvino" else Localizer.load(tiny_run, runtime="torch")
    images = [noise(50, 30 + seed, seed) for seed in range(4)]
    wanted = [shared.predict(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for found, one in zip(pool.map(shared.predict, images), wanted, strict=True):
            assert_same(found, one)


def test_a_bad_image_in_the_middle(tiny_localizer: Localizer, tmp_path: Path) -> None:
    good = [noise(40, 30, seed) for seed in range(3)]
    (tmp_path / "bad.png").write_bytes(b"nothing")
    images = [good[0], tmp_path / "bad.png", good[1], tmp_path / "gone.png", good[2]]
    outcomes = list(tiny_localizer.predict_stream(images))
    assert [isinstance(outcome, ImageError) for outcome in outcomes] == [False, True, False, True, False]
    assert "bad.png" in str(outcomes[1])
    assert "gone.png" in str(outcomes[3])
    for outcome, image in zip(outcomes[::2], good, strict=True):
        assert_same(outcome[0], tiny_localizer.predict(image))
        assert outcome[1] is None

    results = tiny_localizer.predict_many(images)
    assert_same(next(results), outcomes[0][0])
    with pytest.raises(FreelocError, match=r"bad\.png"):
        next(results)


# --- many, several of one shape at once ------------------------------------------------------------------


@pytest.fixture(scope="module")
def batched(tiny_run: Path) -> Localizer:
    """As on a GPU: torch, and three canvases of one shape at once."""
    return Localizer.load(tiny_run, runtime="torch", precision="float32", batch=3)


# Uprights, landscapes and squares in no order; some share a canvas at one scale and not at the other.
MIXED = [(90, 60), (60, 90), (92, 61), (50, 50), (90, 60), (300, 200), (61, 90), (52, 50), (90, 59), (7, 3)]


def test_in_batches_images_get_what_they_get_alone(batched: Localizer) -> None:
    images = [noise(*size, seed) for seed, size in enumerate(MIXED)]
    sizes: list[int] = []
    hook = batched._throughput_network._backbone.register_forward_pre_hook(
        lambda _, inputs: sizes.append(len(inputs[0]))
    )
    together = list(batched.predict_many(iter(images)))
    hook.remove()
    assert max(sizes) == 3
    assert sum(sizes) == 2 * len(images)
    assert [(found.image_size.width, found.image_size.height) for found in together] == MIXED
    for found, image in zip(together, images, strict=True):
        wanted = batched.predict(image)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(found.maps, wanted.maps, atol=1e-5)
        np.testing.assert_array_equal(found.points, wanted.points)
    for maps, image in zip(batched.score_maps_many(images), images, strict=True):
        for found, wanted in zip(maps, batched.score_maps(image), strict=True):
            assert found.grid == wanted.grid
            assert found.values.shape == wanted.values.shape
            np.testing.assert_allclose(found.values, wanted.values, atol=1e-4)
            np.testing.assert_allclose(found.aligned, wanted.aligned, atol=1e-5)


def test_in_batches_a_bad_image_keeps_its_turn(batched: Localizer, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    images = [noise(40, 30), tmp_path / "bad.png", noise(41, 30), tmp_path / "gone.png"]
    outcomes = list(batched.predict_stream(images))
    assert [isinstance(outcome, ImageError) for outcome in outcomes] == [False, True, False, True]
    assert "bad.png" in str(outcomes[1])
    assert "gone.png" in str(outcomes[3])
    results = batched.predict_many(images)
    np.testing.assert_array_equal(next(results).points, outcomes[0][0].points)
    with pytest.raises(FreelocError, match=r"bad\.png"):
        next(results)
    raw = batched.score_maps_many(images)
    assert len(next(raw)) == 2
    with pytest.raises(FreelocError, match=r"bad\.png"):
        next(raw)


def test_in_batches_images_are_taken_a_few_windows_ahead(batched: Localizer) -> None:
    images = Endless()
    results = batched.predict_many(images)
    assert images.taken == 0
    window, threads = 2 * 3, 2
    # Results to be placed, two windows in work and one that is read out, and what is decoded ahead.
    most = (4 * threads + 1) + 3 * window + (2 * threads + 1) + 1
    for done in range(1, 61):
        next(results)
        assert done <= images.taken <= done + most
    results.close()


def test_one_image_of_many_goes_alone(batched: Localizer) -> None:
    image = noise(90, 60)
    (found,) = batched.predict_many([image])
    np.testing.assert_array_equal(found.points, batched.predict(image).points)
    assert list(batched.predict_many([])) == []


# --- what comes out ---------------------------------------------------------------------------------------


def test_scales_are_the_models_unless_told(tiny_run: Path, tiny_localizer: Localizer) -> None:
    image = noise(200, 140)
    assert [part.grid.scale for part in tiny_localizer.score_maps(image)] == [0.7, 1.0]
    other = Localizer.load(tiny_run, scales=(1.4, 0.5, 1.0), runtime="torch")
    maps = other.score_maps(image)
    assert [part.grid.scale for part in maps] == [1.4, 0.5, 1.0]
    result = other.predict(image)
    expected = np.mean([part.values.max(axis=(1, 2)) for part in maps], axis=0)
    np.testing.assert_allclose(result.scores, expected, rtol=1e-6)


def test_the_papers_point_is_the_highest_cell_of_all_scales(tiny_run: Path, tiny_scenes: Dataset) -> None:
    localizer = Localizer.load(tiny_run, location="paper", runtime="torch")
    path = tiny_scenes.samples[1].path
    result = localizer.predict(path)
    maps = localizer.score_maps(path)
    image = result.image_size
    assert result.mode == "paper"
    for index, found in enumerate(result):
        best, at = -np.inf, (np.nan, np.nan)
        for part in maps:
            longest = round(500 * part.grid.scale)
            across = longest if image.width == image.longest else round(image.width * longest / image.longest)
            down = longest if image.height == image.longest else round(image.height * longest / image.longest)
            layout = part.grid.layout
            for row, col in np.ndindex(part.values.shape[1:]):
                value = part.values[index, row, col]
                if value > best:
                    best = value
                    x = (layout.offset + layout.stride * col) * image.width / across
                    y = (layout.offset + layout.stride * row) * image.height / down
                    at = min(x, image.width), min(y, image.height)
        assert found.response == best
        assert (found.x, found.y) == pytest.approx(at)


def test_the_fused_point_is_the_highest_of_the_averaged_maps(
    tiny_localizer: Localizer, tiny_scenes: Dataset
) -> None:
    result = tiny_localizer.predict(tiny_scenes.samples[2].path)
    assert result.mode == "fused"
    for index, found in enumerate(result):
        values = result.maps[index]
        row, col = list(result.lattice.ys).index(found.y), list(result.lattice.xs).index(found.x)
        assert found.response == values.max() == values[row, col]
        assert found.probability == sigmoid(result.scores[index])


def test_both_runtimes_agree_in_float32(
    tiny_run: Path, tiny_localizer: Localizer, tiny_scenes: Dataset
) -> None:
    # Tolerances: 0.001 in raw scores; the points within one cell of the finest scale.
    on_torch = Localizer.load(tiny_run, runtime="torch", precision="float32")
    images = [tiny_scenes.samples[0].path, tiny_scenes.samples[1].path, noise(61, 205), noise(7, 3)]
    for image in images:
        wanted, found = on_torch.predict(image), tiny_localizer.predict(image)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-3, rtol=0)
        assert np.abs(found.points - wanted.points).max() <= cell_of(wanted.image_size, 1.0)


@pytest.mark.slow
def test_bfloat16_finds_the_same_places(
    tiny_run: Path, tiny_localizer: Localizer, tiny_training: Dataset, tiny_scenes: Dataset
) -> None:
    """At least 95% of the points of tagged classes, but for ties, lie within one cell of float32's.

    A tie: in the float32 map the bfloat16 point's value is within 0.05 (of 1) of the highest.
    """
    half = Localizer.load(tiny_run, runtime="openvino", precision="bfloat16")
    near, ties, deviations, spread = [], [], [], []
    for sample in (*tiny_training, *tiny_scenes):
        full, short = tiny_localizer.predict(sample.path), half.predict(sample.path)
        gaps = np.abs(full.points - short.points).max(axis=1)
        for index in np.flatnonzero(sample.labels > 0):
            near.append(gaps[index] <= cell_of(full.image_size, 1.0))
            there = full.maps[index].flat[short.maps[index].argmax()]
            ties.append(full.maps[index].max() - there <= 0.05)
        deviations.append((full.maps - short.maps).ravel())
        spread.append(full.maps.ravel())
    assert len(near) > 60
    assert np.mean(np.logical_or(near, ties)) >= 0.95
    assert np.mean(near) >= 0.85
    assert np.sqrt(np.mean(np.concatenate(deviations) ** 2)) <= 0.15 * np.std(np.concatenate(spread))


@pytest.mark.images
@pytest.mark.slow
def test_real_images_in_both_runtimes(voc_root: Path, tiny_run: Path, tiny_localizer: Localizer) -> None:
    from freeloc.datasets import open_dataset

    paths = [sample.path for sample in open_dataset(voc_root, split="val").samples[:12]]
    on_torch = Localizer.load(tiny_run, runtime="torch", precision="float32")
    for path, found in zip(paths, tiny_localizer.predict_many(paths), strict=True):
        with Image.open(path) as picture:
            assert_sound(found, Size(*picture.size))
        wanted = on_torch.predict(path)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-3, rtol=0)
        assert np.abs(found.points - wanted.points).max() <= cell_of(found.image_size, 1.0)
