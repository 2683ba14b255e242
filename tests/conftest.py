"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.coco_files import write_instances

if TYPE_CHECKING:
    from freeloc.datasets import Dataset
    from freeloc.inference.localizer import Localizer


# One profile for all property tests, without deadlines, so that they do not fail on a busy machine.
settings.register_profile(
    "freeloc",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
settings.load_profile("freeloc")


def _images(folder: str) -> Path:
    root = os.environ.get("FREELOC_TEST_DATA")
    if not root:
        pytest.skip("FREELOC_TEST_DATA does not name a folder with the real images")
    path = Path(root) / folder
    if not path.is_dir():
        pytest.skip(f"FREELOC_TEST_DATA has no folder {folder}")
    return path.resolve()


@pytest.fixture(scope="session")
def voc_root() -> Path:
    """The Pascal VOC images in the devkit's layout."""
    return _images("voc")


@pytest.fixture(scope="session")
def coco_root() -> Path:
    """The COCO images with their instances JSON."""
    return _images("coco")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Run torch in one thread: more threads do not speed up small layers, and slow them down on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _logging_settings() -> Iterator[None]:
    """Restore the settings of logging, which some packages change when they are imported."""
    manager = logging.root.manager
    names = [name for name in manager.loggerDict if name.split(".")[0] == "freeloc"]
    loggers = [logging.root, *map(logging.getLogger, names)]
    before = [(logger.level, logger.propagate, logger.disabled) for logger in loggers]
    disabled_levels = manager.disable
    yield
    manager.disable = disabled_levels
    for logger, (level, propagate, disabled) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    """Restore how the process reacts to Ctrl-C, which the command line changes."""
    handler, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    yield
    signal.signal(signal.SIGINT, handler)
    sys.unraisablehook = hook


# --- one tiny trained model for all tests ------------------------------------------------------------------


@pytest.fixture(scope="session")
def tiny_training(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sixteen generated scenes with tags but without boxes; ``metadata.csv`` is in the same folder."""
    from freeloc.demo.scenes import SceneSettings, generate_scenes

    return generate_scenes(tmp_path_factory.mktemp("training"), 16, SceneSettings(seed=3), boxes=False)


@pytest.fixture(scope="session")
def tiny_scenes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six other generated scenes, with boxes."""
    from freeloc.demo.scenes import SceneSettings, generate_scenes

    return generate_scenes(tmp_path_factory.mktemp("scenes"), 6, SceneSettings(seed=3), start=1000)


@pytest.fixture(scope="session")
def tiny_coco(tiny_scenes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same six scenes and boxes as a COCO instances file, with the images alongside."""
    folder = tmp_path_factory.mktemp("coco")
    for sample in tiny_scenes:
        shutil.copy(sample.path, folder)
    write_instances(folder / "instances.json", tiny_scenes, range(1, len(tiny_scenes.classes) + 1))
    return folder / "instances.json"


@pytest.fixture(scope="session")
def tiny_run(tiny_training: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small head on the smallest backbone: 8 classes, scales 0.7 and 1.0."""
    from freeloc.training.recipe import Recipe
    from freeloc.training.settings import TrainingSettings
    from freeloc.training.train import train

    scales = (0.7, 1.0)
    recipe = Recipe(name="tiny", epochs=16, batch_size=8, hidden=64, scales=scales, test_scales=scales)
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    settings = TrainingSettings(backbone="efficientnet_lite0", recipe=recipe, report=False)
    train(tiny_training, folder, settings, quiet=True)
    return folder


@pytest.fixture(scope="session")
def tiny_localizer(tiny_run: Path) -> Localizer:
    """The tiny model, run by OpenVINO in float32, with deterministic results."""
    from freeloc.inference.localizer import Localizer

    return Localizer.load(tiny_run, runtime="openvino", precision="float32")


@pytest.fixture(scope="session")
def tiny_int8(tiny_run: Path, tiny_training: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an int8 network, calibrated on eight of its training scenes."""
    from freeloc.posttraining.quantize import quantize

    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    file = tmp_path_factory.mktemp("int8") / "model.safetensors"
    paths = [sample.path for sample in tiny_training]
    quantize(tiny_run, paths, out=file, calibration_images=8, quiet=True)
    return file


# --- the command line --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


@pytest.fixture
def freeloc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run ``freeloc WORDS`` like the installed program, but in this process."""
    from freeloc.cli.program import run as run_program

    def run(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["freeloc", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run_program()
        written = capsys.readouterr()
        return Answer(int(stop.value.code or 0), written.out, written.err)

    return run
