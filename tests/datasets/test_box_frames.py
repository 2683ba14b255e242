"""The raster to which boxes refer, found from the declared size of the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeloc.datasets.box_frames import (
    BoxConversion,
    FramedImage,
    FrameProblem,
    find_conversions,
    find_other_sizes,
)
from freeloc.geometry.orientation import ImageFrame
from freeloc.geometry.size import Size


def image(
    size: tuple[int, int],
    orientation: int,
    declared: tuple[int, int] | None,
    *,
    name: str = "a.jpg",
    has_boxes: bool = True,
) -> FramedImage:
    frame = ImageFrame(Size(*size), orientation)
    return FramedImage(Path(name), frame, None if declared is None else Size(*declared), has_boxes)


def is_stored(*images: FramedImage, rescale_boxes: bool = False) -> list[bool]:
    found = find_conversions(images, rescale_boxes=rescale_boxes)
    return [each.stored for each in found if isinstance(each, BoxConversion)]


def problem(one: FramedImage) -> FrameProblem:
    (found,) = find_conversions([one], rescale_boxes=False)
    assert isinstance(found, FrameProblem)
    return found


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_declared_size_shows_the_raster(caplog: pytest.LogCaptureFixture, orientation: int) -> None:
    assert is_stored(image((500, 375), orientation, (500, 375))) == [False]
    assert caplog.messages == []
    assert is_stored(image((500, 375), orientation, (375, 500))) == [True]
    assert caplog.messages == [
        (
            "turned the boxes of 1 image (a.jpg) upright: the declared size fits the image as stored, before "
            "EXIF rotation"
        )
    ]


@pytest.mark.parametrize(
    ("size", "orientation", "declared"),
    [((400, 400), 6, (400, 400)), ((500, 375), 3, (500, 375)), ((500, 375), 6, None), ((500, 375), 2, None)],
)
def test_a_size_that_shows_nothing_follows_the_other_rotated_images(
    caplog: pytest.LogCaptureFixture,
    size: tuple[int, int],
    orientation: int,
    declared: tuple[int, int] | None,
) -> None:
    unclear = image(size, orientation, declared, name="unclear.jpg")
    turned, upright = image((500, 375), 8, (375, 500)), image((500, 375), 8, (500, 375))
    plain = image((500, 375), 1, (500, 375))
    assert is_stored(unclear, turned, turned, plain) == [True, True, True, False]
    assert "turned the boxes of 1 image (unclear.jpg) upright, like those of the other" in caplog.text
    assert "turned the boxes of 2 images (a.jpg and others) upright: " in caplog.text
    for others in ((), (plain,), (upright,), (turned, upright)):
        caplog.clear()
        assert not is_stored(unclear, *others)[0]
        assert "did not turn the boxes of 1 image (unclear.jpg)" in caplog.text
    caplog.clear()
    is_stored(unclear._replace(has_boxes=False))
    assert caplog.messages == []


def test_images_without_rotation_need_no_declared_size(caplog: pytest.LogCaptureFixture) -> None:
    assert is_stored(image((500, 375), 1, None), image((400, 400), 1, (400, 400))) == [False, False]
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("orientation", "declared", "stored"),
    [
        (1, (1000, 750), False),
        (1, (333, 250), False),
        (6, (1000, 750), False),
        (6, (750, 1000), True),
        (6, (250, 333), True),
    ],
)
def test_a_uniform_resize_is_a_problem_unless_boxes_are_rescaled(
    caplog: pytest.LogCaptureFixture, orientation: int, declared: tuple[int, int], stored: bool
) -> None:
    one = image((500, 375), orientation, declared)
    kind, message = problem(one)
    assert kind == "resized_image"
    assert message == (
        f"the annotation declares {declared[0]}×{declared[1]}, but a.jpg has 500×375 pixels"
        f"{' (375×500 as stored)' if orientation == 6 else ''}: it was resized after annotation; rescale_boxes "
        "rescales its boxes"
    )
    assert caplog.messages == []
    (found,) = find_conversions([one], rescale_boxes=True)
    assert found == BoxConversion(one.frame, Size(*declared), stored)
    assert "rescaled the boxes of 1 image (a.jpg)" in caplog.text
    # The whole declared raster is the whole image.
    corners = found.apply((0, 0, *declared))
    assert corners == pytest.approx((0, 0, 500, 375))


@pytest.mark.parametrize("declared", [(500, 300), (375, 500), (480, 375), (1, 1)])
@pytest.mark.parametrize("rescale_boxes", [False, True])
def test_any_other_size_is_a_problem(declared: tuple[int, int], rescale_boxes: bool) -> None:
    (found,) = find_conversions([image((500, 375), 1, declared)], rescale_boxes=rescale_boxes)
    assert isinstance(found, FrameProblem)
    assert found.kind == "wrong_size"
    assert ("swapped" in found.message) == (declared == (375, 500))


def test_without_boxes_other_sizes_are_found_as_well() -> None:
    sound = [image((500, 375), 1, None), image((500, 375), 1, (500, 375)), image((500, 375), 6, (375, 500))]
    other = [image((500, 375), 1, (100, 75)), image((500, 375), 6, (9, 500))]
    assert find_other_sizes([*sound, *other]) == [None, None, None, *map(problem, other)]
