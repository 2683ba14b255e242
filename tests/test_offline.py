"""freeloc sends nothing: its commands open no connection and look up no host, and leave nothing in ``~/intel``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from freeloc.datasets import Dataset
from freeloc.demo.scenes import SceneSettings, generate_scenes
from freeloc.models.model import Model

pytestmark = pytest.mark.slow

# Imported at the start of every Python process, those that a package forks or starts included.
WATCH = """
import os
import sys

def watch(event, details):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}:
        if not isinstance(details[-1], str):  # an address; the name of a socket of Unix is a string
            with open(os.environ["NETWORK_LOG"], "a") as log:
                print(event, details[1:], file=log)

sys.addaudithook(watch)
"""

REPORTED_BEFORE = """
import os
import sys

os.environ["CI"] = "true"  # this import itself sends nothing
import openvino
if sys.argv[1] == "nncf":
    import nncf
del os.environ["CI"]
from openvino_telemetry import Telemetry

def report(*words, **named):
    raise AssertionError(f"reported: {words} {named}")

for name in ("init", "start_session", "send_event", "send_error", "send_stack_trace", "end_session"):
    setattr(Telemetry, name, report)

from freeloc import Localizer, quantize

if sys.argv[1] == "nncf":
    quantize(sys.argv[2], sys.argv[4:], out=sys.argv[3], calibration_images=2, quiet=True)
else:
    Localizer.load(sys.argv[2], runtime="openvino").predict(sys.argv[4])
"""


@dataclass(frozen=True)
class Watched:
    """What a command did: its exit code, its output, the network calls, and its home folder."""

    code: int
    output: str
    network: str
    home: Path


@pytest.fixture
def watched(tmp_path: Path) -> Callable[..., Watched]:
    """A function that runs Python in an empty home folder, with empty caches, and watches its sockets.

    An audit hook sees what Python does; strace, where it can be used, also what libraries do.
    """
    home, hooks = tmp_path / "home", tmp_path / "hooks"
    home.mkdir()
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(WATCH)
    log, trace = tmp_path / "network.log", tmp_path / "trace"
    log.touch()
    tracer = [
        *("strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=socket,connect,sendto,sendmsg,sendmmsg"),
        *("-e", "signal=none", "-o", str(trace)),
    ]
    usable = shutil.which("strace") and not subprocess.run([*tracer, "true"], check=False).returncode
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "FREELOC_", "HF_"))
    }
    for name in ("CI", "TF_BUILD", "JENKINS_URL", "NNCF_CI"):  # they switch telemetry off
        environment.pop(name, None)
    folders = [str(hooks), *(str(Path(folder).absolute()) for folder in sys.path)]
    environment |= {"HOME": str(home), "NETWORK_LOG": str(log), "PYTHONPATH": os.pathsep.join(folders)}

    def run(*words: object) -> Watched:
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(
            [*tracer, *command] if usable else command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        network = log.read_text()
        if usable:
            network += "\n".join(
                line
                for line in trace.read_text().splitlines()
                if re.search(r"AF_INET|sin_addr|sin6_addr", line)
            )
        return Watched(done.returncode, done.stdout + done.stderr, network, home)

    return run


def assert_silent(done: Watched) -> None:
    assert done.code == 0, done.output
    assert not done.network
    assert not (done.home / "intel").exists()


def test_a_connection_would_be_noticed(watched: Callable[..., Watched]) -> None:
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9)); socket.getaddrinfo('localhost', 80)"
    network = watched("-c", code).network
    assert "socket.connect" in network
    assert "socket.getaddrinfo" in network


def test_predict_converts_and_runs_a_network_offline(
    watched: Callable[..., Watched], tiny_scenes: Dataset
) -> None:
    done = watched("-m", "freeloc", "predict", "voc20", tiny_scenes.samples[0].path)
    assert_silent(done)


@pytest.mark.parametrize("package", ["openvino", "nncf"])
def test_packages_imported_before_are_not_made_to_report(
    package: str, watched: Callable[..., Watched], tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    pytest.importorskip(package)
    images = [sample.path for sample in tiny_scenes][:2]
    done = watched("-c", REPORTED_BEFORE, package, tiny_run, tmp_path / "int8.safetensors", *images)
    assert (done.code, done.network) == (0, ""), done.output


def test_consent_given_to_openvino_is_not_given_to_freeloc(
    watched: Callable[..., Watched], tmp_path: Path, tiny_run: Path, tiny_scenes: Dataset
) -> None:
    settings = tmp_path / "home" / "intel"
    settings.mkdir()
    (settings / "openvino_telemetry").write_text("1")
    done = watched("-m", "freeloc", "predict", tiny_run, tiny_scenes.samples[0].path)
    assert (done.code, done.network) == (0, ""), done.output
    assert [item.name for item in settings.iterdir()] == ["openvino_telemetry"]
    assert (settings / "openvino_telemetry").read_text() == "1"


def test_train(watched: Callable[..., Watched], tmp_path: Path) -> None:
    generate_scenes(tmp_path / "scenes", 6, SceneSettings(seed=3), boxes=False)
    words = ("--epochs", 1, "--out", tmp_path / "run", "--backbone", "lite0", "--scales", 0.5)
    assert_silent(watched("-m", "freeloc", "train", tmp_path / "scenes", *words))


def test_quantize(
    watched: Callable[..., Watched], tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    images = [sample.path for sample in tiny_scenes][:2]
    out = tmp_path / "int8.safetensors"
    assert_silent(watched("-m", "freeloc", "quantize", tiny_run, *images, "--out", out))
    assert Model.load(out).int8 is not None


def test_a_model_file_alone_starts_no_download(
    watched: Callable[..., Watched], tiny_run: Path, tiny_scenes: Dataset, tmp_path: Path
) -> None:
    named = tmp_path / "named.safetensors"
    Model.load(tiny_run).with_header(backbone="alexnet").save(named)
    for words in (
        ("predict", named, tiny_scenes.samples[0].path),
        ("quantize", named, tiny_scenes.samples[0].path, "--out", tmp_path / "int8.safetensors"),
    ):
        done = watched("-m", "freeloc", *words)
        assert done.code == 2, done.output
        text = " ".join(done.output.split())
        assert "weights of backbone alexnet are not on this computer" in text, done.output
        assert "--weights" in text
        assert not done.network
