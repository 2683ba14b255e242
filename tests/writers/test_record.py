"""The record: its fields, its numbers, and its line of JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from freeloc.geometry.grid import CellLayout
from freeloc.geometry.lattice import Lattice
from freeloc.geometry.pyramid import Pyramid
from freeloc.geometry.size import Size
from freeloc.inference.decision import DecisionRule
from freeloc.inference.fusion import localize
from freeloc.inference.provenance import ModelIdentity, Provenance
from freeloc.inference.result import Localization, LocationMode
from freeloc.inference.score_map import ScoreMap
from freeloc.models.calibration import Calibration
from freeloc.writers import SCHEMA_VERSION, WriterOptions, localization_record
from freeloc.writers.record import json_line

LAYOUT = CellLayout(stride=32, offset=16.0)


def real_localization(mode: LocationMode = "fused", classes: int = 4) -> Localization:
    rng = np.random.default_rng(5)
    grids = Pyramid((0.7, 1.0)).grids(Size(500, 375), LAYOUT)
    maps = [
        ScoreMap.of(rng.normal(0, 3, (classes, grid.valid_rows, grid.valid_cols)).astype(np.float32), grid)
        for grid in grids
    ]
    return localize(
        maps, tuple(f"class {index}" for index in range(classes)), mode=mode, path=Path("a/b.jpg")
    )


def with_scores(scores: list[float]) -> Localization:
    image = Size(30, 20)
    lattice = Lattice.with_spacing(image, 8.0)
    count = len(scores)
    return Localization(
        image,
        tuple(f"class {index}" for index in range(count)),
        np.array(scores, np.float32),
        np.full((count, 2), 7.123456),
        np.array(scores, np.float32),
        np.zeros((count, lattice.rows, lattice.cols), np.float32),
        lattice,
        "fused",
    )


def strict(text: str) -> object:
    """Parse JSON, rejecting Python's NaN and Infinity."""

    def refuse(word: str) -> object:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("mode", ["fused", "paper"])
def test_the_record_holds_what_the_localization_says(mode: LocationMode) -> None:
    localization = real_localization(mode)
    record = localization_record(localization, WriterOptions(threshold=0.6, peaks=3), image_name="b.jpg")
    assert list(record) == [
        *("schema_version", "image", "model", "preset", "precision", "freeloc", "files"),
        *("width", "height", "mode", "point", "threshold", "classes"),
    ]
    assert (record["schema_version"], SCHEMA_VERSION) == (1, 1)
    assert (record["image"], record["width"], record["height"]) == ("b.jpg", 500, 375)
    assert (record["mode"], record["threshold"]) == (mode, 0.6)
    names = [each["name"] for each in record["classes"]]
    assert sorted(names) == sorted(localization.classes)
    assert [name for name, each in zip(names, record["classes"], strict=True) if each["present"]] == [
        location.name for location in localization.present(0.6)
    ]
    for each in record["classes"]:
        location = localization[each["name"]]
        fields = [
            "name",
            "index",
            "score",
            "probability",
            "x",
            "y",
            "response",
            "threshold",
            "present",
            "peaks",
        ]
        assert list(each) == fields
        assert each["threshold"] == 0.6
        assert each["score"] == pytest.approx(location.score, rel=1e-5)
        assert each["probability"] == pytest.approx(1 / (1 + math.exp(-location.score)), rel=1e-5)
        assert each["response"] == pytest.approx(location.response, rel=1e-5)
        assert (each["x"], each["y"]) == (
            pytest.approx(location.x, abs=0.005),
            pytest.approx(location.y, abs=0.005),
        )
        peaks = localization.peaks(each["name"], count=3)
        assert len(each["peaks"]) == len(peaks) >= 1
        assert each["peaks"][0]["value"] == pytest.approx(peaks[0].value, rel=1e-5)
    scores = [each["score"] for each in record["classes"]]
    assert scores == sorted(scores, reverse=True)


def test_peaks_and_boxes_only_when_asked_for() -> None:
    for each in localization_record(real_localization())["classes"]:
        assert not {"peaks", "boxes"} & each.keys()


def test_boxes_are_those_of_the_localization() -> None:
    localization = real_localization()
    record = localization_record(localization, WriterOptions(boxes=2))
    assert any(each["boxes"] for each in record["classes"])
    for each in record["classes"]:
        boxes = localization.boxes(each["name"], count=2)
        assert [box["score"] for box in each["boxes"]] == pytest.approx(
            [box.score for box in boxes], rel=1e-5
        )
        for told, box in zip(each["boxes"], boxes, strict=True):
            assert (told["x1"], told["y2"]) == (
                pytest.approx(box.x1, abs=0.005),
                pytest.approx(box.y2, abs=0.005),
            )


def test_the_image_is_named_by_its_path_unless_told() -> None:
    localization = real_localization()
    assert localization_record(localization)["image"] == "a/b.jpg"
    assert localization_record(dataclasses.replace(localization, path=None))["image"] == ""


def test_the_origin_of_a_result_and_its_files() -> None:
    model = ModelIdentity("street", "1.2", "3f0c")
    provenance = Provenance(model, "0.9", "fast", (1.4,), "fused", "openvino", "int8", 1)
    localization = dataclasses.replace(real_localization(), provenance=provenance)
    record = localization_record(localization, files=["overlays/b.jpg"])
    assert record["model"] == {"name": "street", "version": "1.2", "hash": "3f0c"}
    assert (record["preset"], record["precision"], record["freeloc"]) == ("fast", "int8", "0.9")
    assert record["files"] == ["overlays/b.jpg"]
    unknown = localization_record(real_localization())
    assert (unknown["model"], unknown["preset"], unknown["precision"]) == (None, None, None)
    assert (unknown["freeloc"], unknown["files"]) == (version("freeloc"), [])


def test_equal_probabilities_are_ordered_by_score() -> None:
    record = localization_record(with_scores([40.0, 50.0, 45.0]))
    assert [each["probability"] for each in record["classes"]] == [1.0, 1.0, 1.0]
    assert [each["name"] for each in record["classes"]] == ["class 1", "class 2", "class 0"]


def test_a_calibrated_model_has_a_threshold_for_each_class() -> None:
    calibration = Calibration((1.0, 0.1, 1.0), (0.0, 0.0, -3.0), (0.5, 0.5, 0.25))
    localization = dataclasses.replace(with_scores([1.0, 2.0, 2.0]), decision=DecisionRule(calibration))
    record = localization_record(localization)
    assert record["threshold"] is None
    found = [(each["name"], each["threshold"], each["present"]) for each in record["classes"]]
    assert found == [("class 0", 0.5, True), ("class 1", 0.5, True), ("class 2", 0.25, True)]
    shares = [each["probability"] for each in record["classes"]]
    assert shares == pytest.approx([1 / (1 + math.exp(-odds)) for odds in (1.0, 0.2, -1.0)], rel=1e-5)
    # A specified threshold applies to all classes.
    record = localization_record(localization, WriterOptions(threshold=0.6))
    assert record["threshold"] == 0.6
    assert [(each["threshold"], each["present"]) for each in record["classes"]] == [
        (0.6, True),
        (0.6, False),
        (0.6, False),
    ]
    # Without a calibration, the model's threshold applies.
    record = localization_record(
        dataclasses.replace(with_scores([1.0, 2.0]), decision=DecisionRule(threshold=0.8))
    )
    assert record["threshold"] == 0.8
    assert [each["present"] for each in record["classes"]] == [True, False]


@given(npst.arrays(np.float32, st.integers(1, 6), elements=st.floats(width=32)))
def test_any_scores_give_strict_json_with_few_digits(scores: np.ndarray) -> None:
    localization = with_scores(scores.tolist())
    localization = dataclasses.replace(localization, maps=localization.maps + scores[:, None, None])
    record = localization_record(localization, WriterOptions(peaks=2))
    back = strict(json.dumps(record, allow_nan=False))
    assert back == record
    values = [each["score"] for each in record["classes"] if each["score"] is not None]
    assert values == sorted(values, reverse=True)
    for each in record["classes"]:
        original = float(scores[int(each["name"].removeprefix("class "))])
        if math.isfinite(original):
            assert each["score"] == pytest.approx(original, rel=6e-6)
            assert len(f"{each['score']:e}".split("e")[0].rstrip("0")) <= 1 + 1 + 1 + 5
        else:
            assert each["score"] is None
        if math.isnan(original):
            assert not each["present"]
        assert each["x"] == 7.12


def test_minus_zero_is_zero() -> None:
    assert str(localization_record(with_scores([-0.0]))["classes"][0]["score"]) == "0.0"


# --- the line ---------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_any_text_stays_on_its_line(record: dict[str, object]) -> None:
    line = json_line(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert strict(line.decode()) == record


def test_letters_are_readable_and_odd_file_names_survive() -> None:
    odd = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    assert "собака" in json_line({"image": "собака.jpg"}).decode()
    assert json.loads(json_line({"image": odd}).decode())["image"] == odd


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        json_line({"a": float("nan")})
