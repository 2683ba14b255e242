"""Names of models: how they are resolved, the folders that are searched, and errors for unknown names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import freeloc
from freeloc.errors import FreelocError
from freeloc.models import registry
from freeloc.models.registry import (
    find_model,
    model_folders,
    named_models,
    pretrained_folder,
    writable_path,
)


def put(file: Path, content: str = "") -> Path:
    """Create a file in place of a model; only its location matters here."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The second of two folders in ``FREELOC_MODELS``; the first does not exist."""
    folder = tmp_path / "team"
    monkeypatch.setenv("FREELOC_MODELS", os.pathsep.join([str(tmp_path / "gone"), "", str(folder)]))
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path / "share" / "freeloc" / "models"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that replaces the package's folder."""
    folder = tmp_path / "package"
    folder.mkdir()
    monkeypatch.setattr(registry, "pretrained_folder", lambda: folder)
    return folder


# --- places -----------------------------------------------------------------------------------------------


def test_the_order_of_places(team: Path, own: Path, shipped: Path) -> None:
    assert model_folders() == (
        (team.with_name("gone"), "yours"),
        (team, "yours"),
        (own, "yours"),
        (shipped, "package"),
    )


def test_the_package_has_a_folder_of_models() -> None:
    folder = pretrained_folder()
    assert folder == Path(freeloc.__file__).parent / "models" / "pretrained"
    assert not list(folder.glob("*.py"))
    # Every shipped model is found by its name.
    for model in named_models():
        assert model.origin == "package"
        assert find_model(model.name) == model.path


def test_a_package_in_an_archive_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import zipfile

    archive = tmp_path / "freeloc.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("freeloc/models/pretrained/voc20.safetensors", "x")
    monkeypatch.setattr(registry, "files", lambda _name: zipfile.Path(archive, "freeloc/"))
    assert pretrained_folder() is None
    assert [origin for _folder, origin in model_folders()] == ["yours"]


# --- names ------------------------------------------------------------------------------------------------


def test_earlier_places_come_first(here: Path, team: Path, own: Path, shipped: Path) -> None:
    for folder in (shipped, own, team):  # each new one takes precedence over the previous one
        file = put(folder / "street.safetensors")
        assert find_model("street") == file
        origin = "package" if folder == shipped else "yours"
        assert [(model.name, model.path, model.origin) for model in named_models()] == [
            ("street", file, origin)
        ]


def test_a_run_folder_has_a_name_as_well(here: Path, own: Path, shipped: Path) -> None:
    inside = put(own / "v2.5" / "model.safetensors")
    assert find_model("v2.5") == inside
    beside = put(own / "v2.5.safetensors")
    assert find_model("v2.5") == beside
    assert [(model.name, model.path) for model in named_models()] == [("v2.5", beside)]


def test_what_is_no_model_has_no_name(own: Path, shipped: Path) -> None:
    put(own / ".hidden.safetensors")
    put(own / "notes.txt")
    put(own / "unfinished" / "checkpoint.pt")
    put(own / "b.safetensors")
    put(own / "a" / "model.safetensors")
    assert [model.name for model in named_models()] == ["a", "b"]


def test_an_existing_path_always_wins(here: Path, own: Path, shipped: Path) -> None:
    named = put(own / "street.safetensors")
    assert find_model("street") == named
    run = put(here / "street" / "model.safetensors")
    assert find_model("street") == Path("street/model.safetensors")
    run.unlink()
    run.parent.rmdir()
    put(here / "street")
    assert find_model("street") == Path("street")


def test_a_folder_without_a_model_is_not_passed_over(here: Path, own: Path, shipped: Path) -> None:
    """An unfinished run must not produce the results of another model."""
    (here / "street").mkdir()
    assert find_model("street") == Path("street")  # the error is raised when the file is read
    named = put(own / "street.safetensors")
    with pytest.raises(FreelocError, match="the current folder contains a folder of that name") as caught:
        find_model("street")
    assert str(named) in str(caught.value)


def test_a_broken_link_is_not_passed_over(here: Path, own: Path, shipped: Path) -> None:
    put(own / "street.safetensors")
    (here / "street").symlink_to("gone")
    assert find_model("street") == Path("street")


def test_a_path_is_never_a_name(here: Path, own: Path, shipped: Path) -> None:
    put(own / "street.safetensors")
    for path in (Path("street"), "./street", "street/", "x/street", "street.safetensors", ".street", "", "."):
        assert find_model(path) == Path(path)


@given(st.text(max_size=300))
def test_any_words_give_a_path_or_one_sentence(words: str) -> None:
    try:
        assert isinstance(find_model(words), Path)
    except FreelocError as error:
        assert "\n" not in str(error)


# --- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["stret", "STREET", "street1", "Streets"])
def test_a_near_name_is_suggested(here: Path, own: Path, shipped: Path, word: str) -> None:
    put(shipped / "street.safetensors")
    put(own / "birds.safetensors")
    with pytest.raises(FreelocError) as caught:
        find_model(word)
    assert str(caught.value) == (
        f"no model is named {word!r} (did you mean street?): specify a model file or a run folder, or one of "
        f"birds, street; models in {own} and in the folders listed in FREELOC_MODELS are found by name"
    )


def test_without_any_model(here: Path, own: Path, shipped: Path) -> None:
    with pytest.raises(FreelocError) as caught:
        find_model("voc20")
    assert str(caught.value) == (
        "no model is named 'voc20': specify a model file or a run folder; "
        f"models in {own} and in the folders listed in FREELOC_MODELS are found by name"
    )


def test_many_models_are_not_all_named(here: Path, own: Path, shipped: Path) -> None:
    for number in range(40):
        put(own / f"model{number:02}.safetensors")
    with pytest.raises(FreelocError, match=r"one of model00, .*model09, … \(list_models returns all\); "):
        find_model("zebra")


# --- writing ----------------------------------------------------------------------------------------------


def test_the_packages_files_are_not_written_to(own: Path, shipped: Path, tmp_path: Path) -> None:
    # Under another name, so that the package's model keeps its own.
    assert writable_path(shipped / "voc20.safetensors", "int8") == own / "voc20-int8.safetensors"
    assert writable_path(shipped / "v2.5.safetensors", "int8") == own / "v2.5-int8.safetensors"
    assert writable_path(shipped / "a" / "model.safetensors", "mine") == own / "a-mine.safetensors"
    for elsewhere in (own / "voc20.safetensors", tmp_path / "run" / "model.safetensors", Path("run")):
        assert writable_path(elsewhere, "int8") == elsewhere


def test_a_model_that_takes_the_place_of_a_shipped_one_is_named(
    here: Path, own: Path, shipped: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(shipped / "voc20.safetensors")
    file, other = put(own / "voc20.safetensors"), put(own / "street.safetensors")
    assert (find_model("voc20"), find_model("street")) == (file, other)
    assert caplog.messages == [
        f"voc20 is your model {file}, not the model of that name that ships with freeloc"
    ]


def test_names_are_known_without_anything_heavy() -> None:
    code = """
import sys
from freeloc.models.registry import named_models
named_models()
print(*{"torch", "numpy", "openvino", "safetensors", "rich"} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
