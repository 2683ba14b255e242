"""An output folder is continued, refused or replaced; nothing in it goes stale."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc.datasets import Dataset
from freeloc.errors import ConfigurationError, ImageError, OutputError
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.versions import package_version
from freeloc.prediction.manifest import MANIFEST_NAME
from freeloc.prediction.predict_files import PredictionOptions, predict_files
from freeloc.writers import WRITERS, Writer

ALL_FORMATS = PredictionOptions(
    formats=("jsonl", "overlays", "npz", "gallery", "voc-cls"), threshold=0.9, map_size="lattice"
)


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder, including hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def images(tiny_scenes: Dataset, tmp_path: Path) -> list[Path]:
    """Four scenes in a folder, reduced so that they are predicted quickly."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, sample in enumerate(tiny_scenes.samples[:4]):
        with Image.open(sample.path) as scene:
            scene.resize((80, 60)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def predict(tiny_localizer: Localizer, images: list[Path], tmp_path: Path) -> Callable[..., int]:
    """Predict the images into ``out``, all of them unless a word says otherwise."""

    def run(options: PredictionOptions = ALL_FORMATS, *, stop_after: int | None = None, **words: Any) -> int:
        localizer, paths = words.pop("localizer", tiny_localizer), words.pop("paths", images)
        if stop_after is not None:
            localizer = stopping(localizer, stop_after)
        return predict_files(localizer, paths, words.pop("out", tmp_path / "out"), options, **words)

    return run


class Stopping(Localizer):
    """A localizer during whose work the user presses Ctrl-C."""

    stop_after: int

    def predict_stream(self, images: Any, **words: Any) -> Generator[Any, None, None]:
        for number, outcome in enumerate(super().predict_stream(images, **words)):
            if number == self.stop_after:
                raise KeyboardInterrupt
            yield outcome


def stopping(localizer: Localizer, count: int) -> Localizer:
    stopped = Stopping.__new__(Stopping)
    stopped.__dict__ = {**localizer.__dict__, "stop_after": count}
    return stopped


# --- continuing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resume", [False, True])
def test_the_same_call_does_the_rest(
    predict: Callable[..., int],
    images: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    resume: bool,
) -> None:
    predict(out=tmp_path / "whole")
    with pytest.raises(
        KeyboardInterrupt, match="^2 of 4 images are done: start again with the same arguments"
    ):
        predict(stop_after=2, quiet=True)
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 2
    with pytest.raises(KeyboardInterrupt, match="^3 of 4 images are done"):
        predict(stop_after=1, quiet=True)
    capsys.readouterr()
    predict(resume=resume)
    printed = capsys.readouterr().err.splitlines()
    assert printed[0] == "continuing after 3 of 4 images"
    assert printed[-1] == f"wrote 4 predictions to {tmp_path / 'out' / 'predictions.jsonl'}"
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    # Once more, nothing is left to do.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    predict(resume=resume)
    assert capsys.readouterr().err == (
        f"{tmp_path / 'out'} already contains these predictions: nothing is left to do\n"
    )
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_what_a_killed_process_left_is_written_again(predict: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict(out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        predict(stop_after=2, quiet=True)
    manifest = out / MANIFEST_NAME
    manifest.write_bytes(manifest.read_bytes() + b'{"file": "overlays/2.jpg"}\n{"file": "ma')
    (out / "overlays" / "2.jpg").write_bytes(b"written, but not complete")
    with (out / "predictions.jsonl").open("ab") as file:
        file.write(b'{"schema_version": 1, "ima')
    predict(quiet=True)
    assert tree(out) == tree(tmp_path / "whole")


def test_an_output_without_predictions_leaves_nothing(predict: Callable[..., int], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="^0 of 4 images are done"):
        predict(stop_after=0, quiet=True)
    assert not (tmp_path / "out").exists()


def test_resuming_nothing_starts_and_says_so(
    predict: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(PredictionOptions(), resume=True)
    assert (
        f"there is nothing to resume in {tmp_path / 'out'}: starting with the first"
        in capsys.readouterr().err
    )
    with pytest.raises(ConfigurationError, match="specify only one") as caught:
        predict(resume=True, overwrite=True)
    assert caught.value.parameter == "overwrite"


def test_unreadable_images_are_counted_once(
    predict: Callable[..., int], images: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images[1].write_bytes(b"torn")
    images[3].unlink()
    with pytest.raises(ImageError, match=r"1\.png"):
        predict()
    assert "1 of 4 images are done: start again" in capsys.readouterr().err
    skipping = dataclasses.replace(ALL_FORMATS, skip_bad=True)
    with pytest.raises(KeyboardInterrupt, match="^2 of 4 images"):
        predict(skipping, stop_after=1, quiet=True)
    assert predict(skipping, quiet=True) == 2
    assert predict(skipping, quiet=True) == 2
    assert capsys.readouterr().err.count("1.png") == 2
    predict(skipping, out=tmp_path / "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_bad_image_can_be_left_out_instead(
    predict: Callable[..., int], images: list[Path], tmp_path: Path
) -> None:
    images[2].write_bytes(b"torn")
    with pytest.raises(ImageError):
        predict(quiet=True)
    rest = [path for path in images if path != images[2]]
    predict(paths=rest, quiet=True)
    predict(paths=rest, out=tmp_path / "whole", quiet=True)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


# --- refusing --------------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Any, str]] = {
    "threshold": (None, "threshold 0.9 instead of none"),
    "peaks": (2, "peaks 0 instead of 2"),
    "boxes": (1, "boxes 0 instead of 1"),
    "map_size": ("image", "map_size 'lattice' instead of 'image'"),
    "formats": (
        ("jsonl",),
        r"formats \['jsonl', 'overlays', 'npz', 'gallery', 'voc-cls'\] instead of \['jsonl'\]",
    ),
}


@pytest.mark.parametrize("finished", [False, True])
def test_other_options_are_refused_by_name(
    predict: Callable[..., int], tiny_run: Path, tmp_path: Path, finished: bool
) -> None:
    if finished:
        predict(quiet=True)
    else:
        with pytest.raises(KeyboardInterrupt):
            predict(stop_after=2, quiet=True)
    before = tree(tmp_path / "out")
    state = "finished" if finished else "unfinished"
    for name, (value, message) in CHANGES.items():
        with pytest.raises(OutputError, match=f"contains {state} predictions with {message}") as caught:
            predict(dataclasses.replace(ALL_FORMATS, **{name: value}), quiet=True)
        assert caught.value.parameter == "overwrite"
    other: dict[str, Any] = {"preset": "fast", "scales": (0.7,), "location": "paper", "runtime": "torch"}
    for name, value in () if finished else other.items():  # each compiles a network
        words = {"runtime": "openvino", "precision": "float32", name: value}
        with pytest.raises(OutputError, match=f"predictions with {name} .* instead of ") as caught:
            predict(localizer=Localizer.load(tiny_run, **words), quiet=True)
        assert caught.value.parameter == "overwrite"
    assert tree(tmp_path / "out") == before


def test_another_model_is_refused(
    predict: Callable[..., int], tiny_localizer: Localizer, tiny_run: Path, tmp_path: Path
) -> None:
    options = {"runtime": "openvino", "precision": "float32"}
    (tmp_path / "other.safetensors").write_bytes((tiny_run / "model.safetensors").read_bytes())
    tiny_localizer.model.with_header(threshold=0.4).save(tmp_path / "tiny" / "model.safetensors")
    with pytest.raises(KeyboardInterrupt):
        predict(stop_after=2, quiet=True)
    for name in ("other.safetensors", "tiny"):
        localizer = Localizer.load(tmp_path / name, **options)  # type: ignore[arg-type]
        with pytest.raises(
            OutputError, match=r"with model tiny \(hash \w{8}\) instead of (other|tiny)"
        ) as caught:
            predict(localizer=localizer, quiet=True)
        assert caught.value.parameter == "overwrite"


def test_a_model_changed_in_memory_is_never_taken_for_the_same(
    predict: Callable[..., int], tiny_localizer: Localizer
) -> None:
    model = dataclasses.replace(tiny_localizer.model, content_hash=None)
    in_memory = Localizer.from_model(model, tiny_localizer._source.backbone, tiny_localizer.options)
    options = PredictionOptions()
    with pytest.raises(KeyboardInterrupt):
        predict(options, localizer=in_memory, stop_after=1, quiet=True)
    with pytest.raises(
        OutputError, match=r"with model without a name \(in memory\) instead of without a name"
    ):
        predict(options, localizer=in_memory, quiet=True)


def test_other_or_changed_images_are_refused(
    predict: Callable[..., int], images: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        predict(stop_after=2, quiet=True)
    for paths in (images[1:], [images[1], images[0], *images[2:]], images[:1]):
        with pytest.raises(
            OutputError, match=r"unfinished predictions of other images, such as .*\.png"
        ) as caught:
            predict(paths=paths, quiet=True)
        assert caught.value.parameter == "overwrite"
    images[0].write_bytes(images[3].read_bytes())
    with pytest.raises(OutputError, match=r"of .*0\.png before it was changed"):
        predict(quiet=True)
    predict(overwrite=True, quiet=True)
    (images[0].parent / "4.png").write_bytes(images[0].read_bytes())
    with pytest.raises(OutputError, match=r"finished predictions of other images, without .*4\.png"):
        predict(paths=[*images, images[0].parent / "4.png"], quiet=True)


class Counting(Writer):
    """A writer that cannot continue: it counts in memory."""

    name = "counting"

    count = 0

    def write(self, result: Localization, image: Image.Image | None, path: Path, name: str) -> None:
        self.count += 1

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error is None:
            path = self.path_of("count.txt")
            path.write_text(str(self.count))
            self.files.append(path)


def test_a_writer_that_cannot_continue_is_refused(
    predict: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WRITERS._registered, "counting", Counting)
    options = PredictionOptions(formats=("counting",))
    with pytest.raises(KeyboardInterrupt):
        predict(options, stop_after=2, quiet=True)
    with pytest.raises(OutputError, match="in the format counting, which cannot be continued") as caught:
        predict(options, quiet=True)
    assert caught.value.parameter == "overwrite"
    predict(options, overwrite=True, quiet=True)
    assert (tmp_path / "out" / "count.txt").read_text() == "4"
    predict(options, quiet=True)  # finished, so there is nothing to continue


# --- replacing -------------------------------------------------------------------------------------------------


def test_overwrite_removes_all_files_of_the_earlier_output_and_no_others(
    predict: Callable[..., int], images: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(quiet=True)
    (out / "notes.txt").write_text("mine")
    predict(PredictionOptions(), paths=images[:1], overwrite=True, quiet=True)
    assert tree(out).keys() == {"predictions.jsonl", MANIFEST_NAME, "notes.txt"}
    assert not (out / "overlays").exists()
    with pytest.raises(KeyboardInterrupt):
        predict(overwrite=True, stop_after=1, quiet=True)
    predict(PredictionOptions(), paths=images[:1], overwrite=True, quiet=True)
    assert tree(out).keys() == {"predictions.jsonl", MANIFEST_NAME, "notes.txt"}


@pytest.mark.parametrize("place", ["predictions.jsonl", "overlays/mine.jpg", "maps/deep/mine.npz"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_others_are_neither_mixed_nor_removed(
    predict: Callable[..., int], tmp_path: Path, place: str, overwrite: bool
) -> None:
    file = tmp_path / "out" / place
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    (tmp_path / "out" / ".DS_Store").write_text("of the system")
    with pytest.raises(
        OutputError, match=f"already contains {place}, and no manifest says that freeloc wrote it"
    ) as caught:
        predict(overwrite=overwrite, quiet=True)
    assert caught.value.parameter == "out"
    assert tree(tmp_path / "out").keys() == {place, ".DS_Store"}


# --- what a record says ----------------------------------------------------------------------------------------


def test_every_record_says_what_made_it_and_which_files(
    predict: Callable[..., int], tiny_localizer: Localizer, tmp_path: Path
) -> None:
    predict(quiet=True)
    records = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()]
    assert len(records) == 4
    for number, record in enumerate(records):
        assert record["model"] == {
            "name": "tiny",
            "version": None,
            "hash": tiny_localizer.model.content_hash,
        }
        assert (record["preset"], record["precision"]) == (None, "float32")
        assert record["freeloc"] == package_version("freeloc")
        assert record["files"] == [f"overlays/{number}.jpg", f"maps/{number}.npz"]
        assert all((tmp_path / "out" / name).is_file() for name in record["files"])
    first = json.loads((tmp_path / "out" / MANIFEST_NAME).read_text().splitlines()[0])
    wanted = {
        "formats": ["jsonl", "overlays", "npz", "gallery", "voc-cls"],
        "threshold": 0.9,
        "map_size": "lattice",
        "peaks": 0,
    }
    assert first["settings"].items() >= {**wanted, "precision": "float32", "runtime": "openvino"}.items()
    assert "skip_bad" not in first["settings"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_folder_without_permission_is_refused_at_once(predict: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        predict(quiet=True)
