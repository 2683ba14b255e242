"""Scores for the evaluation server of Pascal VOC; ``tests/prediction/test_resume.py`` interrupts the writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeloc.datasets import Dataset
from freeloc.datasets.voc.results import read_classification_results
from freeloc.errors import OutputError
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.writers import WriterOptions
from freeloc.writers.voc_classification import VocClassificationWriter


def test_the_command_writes_what_the_devkit_reads(
    freeloc: Callable[..., Any],
    tiny_run: Path,
    tiny_localizer: Localizer,
    tiny_scenes: Dataset,
    tmp_path: Path,
) -> None:
    images = [sample.path for sample in tiny_scenes.samples[:2]]
    words = ("predict", tiny_run, *images, "--out", tmp_path, "--format", "voc-cls", "--quiet")
    answer = freeloc(*words, "--runtime", "openvino", "--precision", "float32")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    folder = tmp_path / "results" / "VOC2012" / "Main"
    names = {path.name for path in folder.iterdir()}
    assert names == {f"comp2_cls_test_{name}.txt" for name in tiny_localizer.classes}
    found = read_classification_results(folder, replace(tiny_scenes, samples=tiny_scenes.samples[:2]))
    for row, image in zip(found, images, strict=True):
        wanted = tiny_localizer.predict(image)
        assert row.tolist() == [wanted[name].score for name in tiny_scenes.classes]
    assert {path.name for path in tmp_path.iterdir()} == {"results", "predictions.manifest.jsonl"}


def test_nothing_is_written_before_the_end_or_after_an_error(
    tmp_path: Path, tiny_result: Localization
) -> None:
    with VocClassificationWriter(tmp_path, WriterOptions()) as writer:
        writer.write(tiny_result, None, Path("a/2008_000001.jpg"), "1")
        writer.write(tiny_result, None, Path("b/2008_000002.jpg"), "2")
        assert list(tmp_path.iterdir()) == []
    file = tmp_path / "results/VOC2012/Main/comp2_cls_test_a chair.txt"
    assert file in writer.files
    lines = [line.split() for line in file.read_text().splitlines()]
    score = float(tiny_result["a chair"].score)
    assert [(ident, float(text)) for ident, text in lines] == [("2008_000001", score), ("2008_000002", score)]
    other = VocClassificationWriter(tmp_path / "other", WriterOptions())
    with pytest.raises(KeyboardInterrupt), other:
        other.write(tiny_result, None, Path("1.jpg"), "1")
        raise KeyboardInterrupt
    assert not (tmp_path / "other").exists()


def test_what_the_format_cannot_hold_is_refused_at_the_image(
    tmp_path: Path, tiny_result: Localization
) -> None:
    def refused(result: Localization, *names: str) -> str:
        with (
            pytest.raises(OutputError) as caught,
            VocClassificationWriter(tmp_path, WriterOptions()) as writer,
        ):
            for name in names:
                writer.write(result, None, Path(name), name)
        return str(caught.value)

    assert "'my dog' cannot be written" in refused(tiny_result, "my dog.jpg")
    assert "two images have the ID 'x'" in refused(tiny_result, "a/x.jpg", "b/x.png")
    damaged = replace(tiny_result, scores=np.full(4, np.nan, np.float32))
    assert "a score of y.jpg is NaN or infinite" in refused(damaged, "y.jpg")
    slashed = replace(tiny_result, classes=("cat/dog", *tiny_result.classes[1:]))
    assert "the class 'cat/dog' cannot be part of a file name" in refused(slashed, "y.jpg")
    assert list(tmp_path.iterdir()) == []
