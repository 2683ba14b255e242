"""The localizer: inputs, results, and agreement of both runtimes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from freeloc.datasets import Dataset
from freeloc.errors import FreelocError, ImageError
from freeloc.geometry.size import Size
from freeloc.images import canvas
from freeloc.images.decode import ImageSource, load_image, open_reduced
from freeloc.inference.localizer import Localizer
from freeloc.inference.provenance import ModelIdentity
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import sigmoid
from freeloc.models.card import ModelCard
from tests.inference.sample_inputs import EndlessImages, assert_same, noise


def assert_sound(result: Localization, size: Size) -> None:
    """Check properties that hold for every image."""
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
    # The pixels as stored by a camera; the rotation in the EXIF tag makes the image upright.
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
def test_images_of_odd_sizes(tiny_localizer: Localizer, size: Size, location: LocationMode) -> None:
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


def test_the_network_is_compiled_before_the_first_result_is_requested(
    tiny_run: Path, tiny_scenes: Dataset
) -> None:
    """Otherwise, the time for it would count as that of the first image."""
    paths = [sample.path for sample in tiny_scenes]
    for method in ("predict_many", "predict_stream", "score_maps_many"):
        localizer = Localizer.load(tiny_run, runtime="torch", precision="float32")
        assert list(getattr(localizer, method)([])) == []
        assert not {"_throughput_network", "_latency_network"} & vars(localizer).keys()
        results = getattr(localizer, method)(iter(paths))
        assert "_throughput_network" in vars(localizer)
        results.close()


def test_many_takes_images_only_as_they_are_needed(tiny_localizer: Localizer) -> None:
    images = EndlessImages()
    results = tiny_localizer.predict_many(images)
    assert images.taken == 2  # which tell that there are several
    for done in range(1, 9):
        next(results)
        # Only a few images are decoded ahead, regardless of their total number.
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


@pytest.mark.parametrize("batch", [1, 2])
def test_a_stream_that_starts_later_gives_the_same(tiny_run: Path, batch: int) -> None:
    """Even in the last bit, although images that share a batch may influence each other."""
    localizer = Localizer.load(tiny_run, scales=(0.5,), runtime="torch", precision="float32", batch=batch)
    images: list[ImageSource] = [noise(80, 60 if seed % 3 else 40, seed) for seed in range(7)]
    images[1] = b"no image"

    def results(start: int) -> list[Localization | None]:
        outcomes = localizer.predict_stream(images, start=start)
        return [None if isinstance(outcome, ImageError) else outcome[0] for outcome in outcomes]

    wanted = results(0)
    for start in (1, 3, 6, 7):
        found = results(start)
        assert len(found) == 7 - start
        for one, other in zip(found, wanted[start:], strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                assert_same(one, other)


def test_a_result_says_what_computed_it(tiny_run: Path) -> None:
    localizer = Localizer.load(tiny_run, preset="fast", runtime="torch", precision="float32")
    provenance = localizer.prepare()
    assert localizer.predict(noise(80, 60)).provenance == provenance
    file = (tiny_run / "model.safetensors").read_bytes()
    assert provenance.to_dict() == {
        "model": {"name": "tiny", "version": None, "hash": hashlib.sha256(file).hexdigest()},
        "freeloc": version("freeloc"),
        "preset": "fast",
        "scales": [1.4],
        "location": "fused",
        "runtime": "torch",
        "precision": "float32",
        "batch": 1,
    }
    released = dataclasses.replace(localizer.model, content_hash=None).with_header(
        card=ModelCard("pets", "2")
    )
    changed = Localizer.from_model(released, localizer._source.backbone, localizer.options)
    assert changed.prepare().model == ModelIdentity("pets", "2", None)
    assert localizer.localize(localizer.score_maps(noise(80, 60))).provenance is None


def test_an_image_is_decoded_once(
    tiny_localizer: Localizer, tiny_scenes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []

    def counting(source: Any, longest: int | None) -> Any:
        decoded.append(source)
        return open_reduced(source, longest)

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
    images: list[ImageSource] = [good[0], tmp_path / "bad.png", good[1], tmp_path / "gone.png", good[2]]
    outcomes = list(tiny_localizer.predict_stream(images))
    assert [isinstance(outcome, ImageError) for outcome in outcomes] == [False, True, False, True, False]
    assert "bad.png" in str(outcomes[1])
    assert "gone.png" in str(outcomes[3])
    for outcome, image in zip(outcomes[::2], good, strict=True):
        assert not isinstance(outcome, ImageError)
        assert_same(outcome[0], tiny_localizer.predict(image))
        assert outcome[1] is None

    results = tiny_localizer.predict_many(images)
    assert_same(next(results), tiny_localizer.predict(good[0]))
    with pytest.raises(FreelocError, match=r"bad\.png"):
        next(results)


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
    images: list[ImageSource] = [
        tiny_scenes.samples[0].path,
        tiny_scenes.samples[1].path,
        noise(61, 205),
        noise(7, 3),
    ]
    for image in images:
        wanted, found = on_torch.predict(image), tiny_localizer.predict(image)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-3, rtol=0)
        assert np.abs(found.points - wanted.points).max() <= cell_of(wanted.image_size, 1.0)


@pytest.mark.slow
def test_bfloat16_finds_the_same_places(
    tiny_run: Path, tiny_localizer: Localizer, tiny_training: Dataset, tiny_scenes: Dataset
) -> None:
    """At least 95% of the points of tagged classes, except ties, lie within one cell of those in float32.

    In a tie, the value of the float32 map at the bfloat16 point is within 0.05 (of 1) of its maximum.
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


def test_chosen_classes_have_the_same_scores_and_points(
    tiny_run: Path, tiny_localizer: Localizer, tiny_scenes: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    names = tiny_localizer.classes
    some = Localizer.load(
        tiny_run, runtime="openvino", precision="float32", classes=(names[4], "unicorn", names[1])
    )
    assert caplog.messages == ["the model does not have the class 'unicorn': left out"]
    assert some.classes == (names[4], names[1])
    paths = [sample.path for sample in tiny_scenes]
    for one, other in zip(some.predict_many(paths[:2]), tiny_localizer.predict_many(paths[:2]), strict=True):
        assert one.classes == some.classes
        np.testing.assert_array_equal(one.scores, other.scores[[4, 1]])
        np.testing.assert_array_equal(one.points, other.points[[4, 1]])
        np.testing.assert_array_equal(one.maps, other.maps[[4, 1]])
        np.testing.assert_array_equal(one.probabilities, other.probabilities[[4, 1]])
    np.testing.assert_array_equal(
        some.predict(paths[0]).scores, tiny_localizer.predict(paths[0]).scores[[4, 1]]
    )
    with pytest.raises(FreelocError, match="the model has none of the classes 'unicorn', only ") as caught:
        Localizer.load(tiny_run, classes=("unicorn",))
    assert caught.value.parameter == "classes"
