import csv
import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from freeloc.datasets import PRESENT, open_dataset
from freeloc.demo import scenes as module
from freeloc.demo.scenes import SCENE_CLASSES, Scene, SceneSettings, draw_scene, generate_scenes
from freeloc.errors import ConfigurationError, OutputError

SETTINGS = SceneSettings(seed=11)
MARGIN = 300


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(index, SETTINGS) for index in range(80)]


def coverage(
    layer: module._Layer, light: tuple[float, float], height: int, width: int
) -> npt.NDArray[np.bool_]:
    """Return the pixels that a layer covers, determined without its mask, by painting it on black and on white."""
    bare = dataclasses.replace(layer, left=layer.left + MARGIN, top=layer.top + MARGIN, shadow=0.0)
    images = []
    for tone in (0.0, 255.0):
        canvas = np.full((3, height + 2 * MARGIN, width + 2 * MARGIN), tone, np.float32)
        module._paint(canvas, bare, light)
        images.append(canvas[1])
    return np.asarray(1 - (images[1] - images[0]) / 255 >= 0.5, np.bool_)


def test_seed_and_index_determine_the_pixels(scenes: list[Scene]) -> None:
    for index in (17, 3, 60):
        again = draw_scene(index, SceneSettings(seed=11))
        assert np.array_equal(again.image, scenes[index].image)
        assert again.boxes == scenes[index].boxes
        assert again.visible == scenes[index].visible


def test_other_seeds_and_indexes_give_other_scenes(scenes: list[Scene]) -> None:
    images = {scene.image.tobytes() for scene in scenes[:10]}
    images |= {draw_scene(index, SceneSettings(seed=12)).image.tobytes() for index in range(10)}
    assert len(images) == 20


@pytest.mark.parametrize("index", range(0, 40, 5))
def test_boxes_and_visible_fractions_match_the_painted_pixels(scenes: list[Scene], index: int) -> None:
    scene = scenes[index]
    height, width = scene.image.shape[:2]
    plan = module._plan(index, SETTINGS)
    topmost = np.full((height + 2 * MARGIN, width + 2 * MARGIN), -1)
    alone = []
    for number, layer in enumerate(plan.layers):
        covered = coverage(layer, plan.light, height, width)
        topmost[covered] = number
        if layer.label is not None:
            alone.append((number, layer.label, covered))
    assert len(alone) == len(scene.boxes)
    on_image = np.s_[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    objects = zip(alone, scene.boxes, scene.visible, scene.masks, strict=True)
    for (number, label, covered), box, visible, mask in objects:
        rows, columns = np.nonzero(covered[on_image])
        tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert (box.x1, box.y1, box.x2, box.y2) == tight
        assert box.label == label
        assert visible == pytest.approx(np.mean(topmost[on_image] == number) * height * width / covered.sum())
        assert covered[on_image].sum() >= 0.8 * covered.sum()
        np.testing.assert_array_equal(mask, topmost[on_image] == number)


@pytest.mark.parametrize("index", range(1, 40, 8))
def test_the_topmost_layer_is_visible(scenes: list[Scene], index: int) -> None:
    plan = module._plan(index, SETTINGS)
    height, width = scenes[index].image.shape[:2]
    topmost = plan.layers[-1]
    tall, wide = topmost.sprite.alpha.shape
    padded = np.pad(scenes[index].image, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    top, left = topmost.top + MARGIN, topmost.left + MARGIN
    shown = padded[top : top + tall, left : left + wide].astype(float)
    inside = np.pad(np.ones((height, width), bool), MARGIN)[top : top + tall, left : left + wide]
    solid = inside & (topmost.sprite.alpha == 1)
    drawn = topmost.sprite.color.transpose(1, 2, 0)
    # The light changes a color by at most a seventh; the noise adds at most four levels.
    assert solid.any()
    assert np.all(np.abs(shown - drawn)[solid] <= 0.15 * drawn[solid] + 5)


def test_every_scene_has_two_to_five_visible_objects(scenes: list[Scene]) -> None:
    counts = {len(scene.boxes) for scene in scenes}
    assert counts == {2, 3, 4, 5}
    for scene in scenes:
        height, width = scene.image.shape[:2]
        assert scene.image.dtype == np.uint8
        assert max(height, width) in (480, 500)
        assert min(scene.visible) >= SETTINGS.min_visible
        for box in scene.boxes:
            assert 0 <= box.x1 < box.x2 <= width
            assert 0 <= box.y1 < box.y2 <= height
            assert 0.1 < max(box.x2 - box.x1, box.y2 - box.y1) / max(height, width) < 0.6


def test_scenes_are_wide_tall_and_square(scenes: list[Scene]) -> None:
    shapes = {scene.image.shape[:2] for scene in scenes}
    assert shapes == {(375, 500), (500, 375), (333, 500), (500, 333), (480, 480)}


def test_classes_are_equally_frequent(scenes: list[Scene]) -> None:
    labels = [box.label for scene in scenes for box in scene.boxes]
    counts = np.bincount(labels, minlength=len(SCENE_CLASSES))
    expected = len(labels) / len(SCENE_CLASSES)
    # Chi-squared with 7 degrees of freedom exceeds 24.3 once in a thousand.
    assert np.sum((counts - expected) ** 2 / expected) < 24.3


def test_the_image_center_is_a_poor_guess(scenes: list[Scene]) -> None:
    hits = []
    for scene in scenes:
        height, width = scene.image.shape[:2]
        for label in {box.label for box in scene.boxes}:
            same = [box for box in scene.boxes if box.label == label]
            hits.append(any(b.x1 <= width / 2 <= b.x2 and b.y1 <= height / 2 <= b.y2 for b in same))
    assert np.mean(hits) < 0.25


def test_the_largest_settings_terminate() -> None:
    full = SceneSettings(min_objects=8, max_objects=8, min_side=0.5, max_side=0.5, min_visible=0.75)
    scene = draw_scene(0, full)
    assert len(scene.boxes) == 8
    assert min(scene.visible) >= 0.75


def test_files_labels_and_tag_list_agree(tmp_path: Path, scenes: list[Scene]) -> None:
    data = generate_scenes(tmp_path / "train", 6, SETTINGS, start=20)
    with (tmp_path / "train" / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == [sample.path.name for sample in data]
    assert {path.name for path in (tmp_path / "train").iterdir()} == {
        "metadata.csv",
        *(row["file_name"] for row in rows),
    }
    for index, (row, sample) in enumerate(zip(rows, data, strict=True), start=20):
        shown = {SCENE_CLASSES[box.label] for box in scenes[index].boxes}
        assert set(row["tags"].split(";")) == shown
        assert {name for name, label in zip(data.classes, sample.labels, strict=True) if label == 1} == shown
        assert {name for name, label in zip(data.classes, sample.labels, strict=True) if label == -1} == (
            set(SCENE_CLASSES) - shown
        )
        assert sample.boxes == scenes[index].boxes
        with Image.open(sample.path) as image:
            assert image.format == "JPEG"
            difference = np.asarray(image, float) - scenes[index].image
        assert np.abs(difference).mean() < 6


def test_the_tag_list_reader_reads_the_folder(tmp_path: Path) -> None:
    data = generate_scenes(tmp_path, 16, SceneSettings(seed=2, min_objects=4))
    assert (data.labels == PRESENT).any(axis=0).all()
    read = open_dataset(tmp_path, format="tags", classes=SCENE_CLASSES)
    assert read.fingerprint == data.fingerprint
    assert [sample.path for sample in read] == [sample.path for sample in data]


def test_writing_again_gives_the_same_bytes_and_boxes_only_on_request(tmp_path: Path) -> None:
    first = generate_scenes(tmp_path / "a", 3, SETTINGS)
    second = generate_scenes(tmp_path / "b", 3, SETTINGS, boxes=False)
    assert first.has_boxes
    assert all(sample.boxes is None for sample in second)
    for name in ("scene_000000.jpg", "scene_000001.jpg", "scene_000002.jpg", "metadata.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"min_objects": 0},
        {"min_objects": 6},
        {"max_objects": 9},
        {"min_side": 0.01},
        {"min_side": 0.45},
        {"max_side": 0.9},
        {"min_visible": 0.9},
        {"max_clutter": -1},
        {"max_scraps": -1},
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{next(iter(wrong))} is ") as error:
        SceneSettings(**wrong)  # type: ignore[arg-type]
    assert error.value.parameter == next(iter(wrong))


def test_errors_name_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        generate_scenes(tmp_path, 0, SETTINGS)
    with pytest.raises(ConfigurationError, match="at least 0"):
        draw_scene(-1, SETTINGS)
    (tmp_path / "scene_000000.jpg").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*scene_000000\.jpg"):
        generate_scenes(tmp_path, 1, SETTINGS)
