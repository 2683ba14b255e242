"""The program as a process: closed streams, pipes, signals, limits, warnings and logs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from freeloc._log import NOTICE
from freeloc.cli.process import be_quiet, be_verbose, only_own_messages

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
RUN = "import sys; from freeloc.cli import main; main()"


def shell(redirection: str, *words: object, code: str = RUN) -> subprocess.CompletedProcess[str]:
    """Run ``freeloc WORDS`` with redirections written as in a shell."""
    command = [sys.executable, "-c", code, *map(str, words)]
    script = f'"$@" {redirection}'
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command], capture_output=True, text=True, check=False
    )


# --- closed and broken streams ----------------------------------------------------------------------------


@POSIX
def test_a_closed_standard_output_is_named(tagged: Path) -> None:
    done = shell(">&-", "check", tagged)
    assert done.returncode == 2
    assert done.stderr == "freeloc: cannot write the results to standard output: it is closed\n"


@POSIX
@pytest.mark.parametrize("redirection", ["2>&-", "2>&- <&-"])
def test_results_need_no_standard_error(tagged: Path, redirection: str) -> None:
    done = shell(redirection, "check", tagged)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:3] == ["       2  cat", "       2  dog"]


@POSIX
def test_without_any_stream_the_code_says_what_happened(tagged: Path) -> None:
    assert shell(">&- 2>&- <&-", "check", tagged).returncode == 2
    assert shell("2>&-", "check", tagged.with_name("gone.csv")).returncode == 2


@POSIX
def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Otherwise, whatever a library prints would end up in the file."""
    code = (
        "from freeloc.cli.process import open_closed_streams; open_closed_streams(); import os; "
        f"file = open({str(tmp_path / 'model')!r}, 'wb'); assert file.fileno() > 2; os.fstat(1); os.fstat(2)"
    )
    assert shell(">&- 2>&- <&-", code=code).returncode == 0


@POSIX
def test_an_error_message_on_a_closed_standard_output(tagged: Path) -> None:
    done = shell(">&-", "check", tagged.with_name("gone.csv"))
    assert done.returncode == 2
    assert done.stderr.startswith("freeloc: no such file or folder: ")


@POSIX
def test_a_closed_pipe_is_quiet(tagged: Path) -> None:
    done = shell('; echo "code $?" >&2', "check", tagged)
    assert done.stderr.endswith("code 0\n")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", RUN, "check", str(tagged)]
    broken = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (broken.returncode, broken.stderr) == (141, "")


@POSIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_standard_output_is_named(tagged: Path) -> None:
    done = shell(">/dev/full", "check", tagged)
    assert done.returncode == 2
    assert done.stderr == "freeloc: cannot write the results to standard output: No space left on device\n"
    assert shell("2>/dev/full", "check", tagged).returncode == 0


def test_streams_that_python_lacks(tagged: Path) -> None:
    """Programs without a console have no streams at all."""
    for missing, expected in (("stderr", 0), ("stdout", 2)):
        code = f"import sys; from freeloc.cli import main; sys.{missing} = None; main()"
        command = [sys.executable, "-c", code, "check", str(tagged)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stderr
        assert "Traceback" not in done.stderr


def test_an_encoding_that_lacks_a_character(tmp_path: Path) -> None:
    for name in ("кот", "собака"):
        Image.new("RGB", (32, 24)).save(tmp_path / f"{name}.png")
    (tmp_path / "tags.csv").write_text("file_name,tags\nкот.png,кот\nсобака.png,собака\n", "utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    command = [sys.executable, "-c", RUN, "check", str(tmp_path / "tags.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert r"\u043a\u043e\u0442" in done.stdout


# --- Ctrl-C -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["typer", "rich", "freeloc.errors"])
def test_ctrl_c_during_the_imports(module: str) -> None:
    code = f"""
import sys
from importlib.abc import MetaPathFinder

class Interrupted(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
sys.argv = ["freeloc", "--help"]
from freeloc.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_the_entry_point_imports_nothing_but_the_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import freeloc.cli; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"__future__", "freeloc", "freeloc.cli"}


# --- limits -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [100, 180, 300, 350, 600])
def test_too_little_address_space_is_one_sentence(tiny_run: Path, tagged: Path, megabytes: int) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits on a process")
    size = megabytes * 10**6

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    command = [sys.executable, "-c", RUN, "predict", str(tiny_run), str(tagged.with_name("0.png"))]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("freeloc: there is not enough memory: ")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: 800 bytes")], ids=repr)
def test_exhausted_memory_is_one_sentence(
    freeloc: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("freeloc.datasets.checks.check.open_for_training", broken)
    answer = freeloc("check", "anything")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("freeloc: there is not enough memory: raise the memory limit")
    assert answer.err.count("\n") == 1


# --- warnings and logs ------------------------------------------------------------------------------------


def warn(kind: type[Warning]) -> None:
    warnings.warn("of another package", kind, stacklevel=1)


@pytest.mark.parametrize("kind", [UserWarning, DeprecationWarning, RuntimeWarning, FutureWarning])
def test_warnings_of_other_packages_are_hidden(
    kind: type[Warning], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "warnoptions", [])
    before = warnings.showwarning
    with only_own_messages():
        warn(kind)
        warnings.simplefilter("always")  # as some packages do when they are imported
        warn(kind)
    assert capfd.readouterr().err == ""
    assert warnings.showwarning is before


def test_warnings_are_shown_on_request(tagged: Path) -> None:
    code = "import warnings; from freeloc.cli.process import only_own_messages\nwith only_own_messages(): warnings.warn('seen')"
    for options, shown in (([], False), (["-W", "default"], True)):
        done = subprocess.run(
            [sys.executable, *options, "-c", code], capture_output=True, text=True, check=True
        )
        assert ("seen" in done.stderr) is shown


def test_logs_of_other_packages_are_hidden() -> None:
    code = """
import logging
from freeloc.cli.process import only_own_messages
with only_own_messages():
    logging.getLogger("PIL.Image").error("of another package")
    logging.warning("of nobody")
    logging.getLogger("freeloc.datasets").warning("left out %s\\nand a\\x1b[31m", "a\\x1b.jpg")
    logging.getLogger("freeloc.datasets").info("a detail")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "left out a\\x1b.jpg\nand a\\x1b[31m\n"
    assert done.stdout == ""


@pytest.mark.parametrize("chosen", [None, "INFO"])
def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, chosen: str | None) -> None:
    variable = "TORCH_CPP_LOG_LEVEL"
    monkeypatch.delenv(variable, raising=False)
    if chosen is not None:
        monkeypatch.setenv(variable, chosen)
    loggers = [logging.getLogger(name) for name in ("", "freeloc")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    with only_own_messages():
        assert os.environ[variable] == (chosen or "ERROR")
    assert [(logger.level, logger.handlers) for logger in loggers] == before
    assert os.environ.get(variable) == chosen


def test_quiet_commands_print_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("freeloc.datasets")
    with only_own_messages():
        log.log(NOTICE, "a notice")
        be_quiet()
        log.log(NOTICE, "another notice")
        log.warning("a warning")
        log.error("an error")
    assert capsys.readouterr().err == "a notice\nan error\n"


def test_verbose_commands_print_choices(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("freeloc.datasets")
    with only_own_messages():
        log.info("a choice")
        be_verbose()
        log.info("another choice")
        log.debug("a detail")
    with only_own_messages():
        log.info("a later choice")
    assert capsys.readouterr().err == "another choice\n"


# --- bugs -------------------------------------------------------------------------------------------------


def test_the_traceback_of_a_bug_is_safe(tagged: Path) -> None:
    code = r"""
import sys
import freeloc.datasets.checks.check
from freeloc.cli import main

def broken(*words, **options):
    raise KeyError("dog\x1b[31m", "\u202e") from ValueError("dog\x1b[31m\u202e")

freeloc.datasets.checks.check.open_for_training = broken
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "x"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert r"ValueError: dog\x1b[31m\u202e" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's C library loads it when a thread ends")
def test_a_limited_process_has_loaded_what_ends_its_threads() -> None:
    code = (
        "import resource; from freeloc.cli.process import prepare_for_little_memory as prepare\n"
        "def loaded(): return 'libgcc_s' in open('/proc/self/maps').read()\n"
        "before = loaded(); prepare(); free = loaded()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**33, resource.getrlimit(resource.RLIMIT_AS)[1]))\n"
        "prepare(); print(before, free, loaded())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, free, limited = done.stdout.split()
    assert (free, limited) == (before, "True")
