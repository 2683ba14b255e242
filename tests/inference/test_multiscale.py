"""Many images in batches of one canvas shape, as on a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeloc.errors import FreelocError, ImageError
from freeloc.images.decode import ImageSource
from freeloc.inference.localizer import Localizer
from freeloc.runtime.torch_backend import TorchNetwork
from tests.inference.sample_inputs import EndlessImages, noise


@pytest.fixture(scope="module")
def batched(tiny_run: Path) -> Localizer:
    """Torch with three canvases of equal shape at once, as on a GPU."""
    return Localizer.load(tiny_run, runtime="torch", precision="float32", batch=3, scales=(0.28, 0.4))


# Portrait, landscape and square images in random order; some share a canvas shape at only one scale.
MIXED = [(90, 60), (60, 90), (92, 61), (50, 50), (90, 60), (300, 200), (61, 90), (52, 50), (90, 59), (7, 3)]


def test_in_batches_images_get_what_they_get_alone(batched: Localizer) -> None:
    images = [noise(*size, seed) for seed, size in enumerate(MIXED)]
    sizes: list[int] = []
    network = batched._throughput_network
    assert isinstance(network, TorchNetwork)
    hook = network._backbone.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
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
        for score_map, expected in zip(maps, batched.score_maps(image), strict=True):
            assert score_map.grid == expected.grid
            assert score_map.values.shape == expected.values.shape
            np.testing.assert_allclose(score_map.values, expected.values, atol=1e-4)
            assert score_map.aligned is not None
            assert expected.aligned is not None
            np.testing.assert_allclose(score_map.aligned, expected.aligned, atol=1e-5)


def test_in_batches_a_bad_image_keeps_its_turn(batched: Localizer, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    images: list[ImageSource] = [noise(40, 30), tmp_path / "bad.png", noise(41, 30), tmp_path / "gone.png"]
    outcomes = list(batched.predict_stream(images))
    assert [isinstance(outcome, ImageError) for outcome in outcomes] == [False, True, False, True]
    assert "bad.png" in str(outcomes[1])
    assert "gone.png" in str(outcomes[3])
    results = batched.predict_many(images)
    assert not isinstance(outcomes[0], ImageError)
    np.testing.assert_array_equal(next(results).points, outcomes[0][0].points)
    with pytest.raises(FreelocError, match=r"bad\.png"):
        next(results)
    raw = batched.score_maps_many(images)
    assert len(next(raw)) == 2
    with pytest.raises(FreelocError, match=r"bad\.png"):
        next(raw)


def test_in_batches_images_are_taken_a_few_windows_ahead(tiny_run: Path) -> None:
    batched = Localizer.load(tiny_run, runtime="torch", precision="float32", batch=3, scales=(0.1, 0.2))
    images = EndlessImages()
    results = batched.predict_many(images)
    assert images.taken == 2  # which tell that there are several
    window, threads = 2 * 3, 2
    # Results to be ordered, two windows in progress, one window being yielded, and images decoded ahead.
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
