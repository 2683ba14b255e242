"""The help of every command, and completion in the shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from freeloc.cli.examples import EXAMPLES
from freeloc.cli.program import app

GROUP: Any = typer.main.get_command(app)
RUN = "import sys; from freeloc.cli import main; sys.argv[0] = 'freeloc'; main()"


def options() -> Iterator[Any]:
    for name, command in GROUP.commands.items():
        for parameter in (item for item in command.params if item.param_type_name == "option"):
            yield pytest.param(parameter, id=f"{name} {parameter.opts[0]}")


# --- examples, defaults and flags --------------------------------------------------------------------------


def test_every_command_has_examples() -> None:
    assert GROUP.commands.keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_help_ends_with_two_examples(
    freeloc: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    answer = freeloc(name, "--help")
    assert answer.code == 0
    shown = [line.strip() for line in answer.out.split("Examples:")[1].splitlines() if line.strip()]
    assert tuple(shown) == EXAMPLES[name]  # none is wrapped
    for example in EXAMPLES[name]:
        program, command, *words = shlex.split(example.split("|")[-1])
        assert (program, command) == ("freeloc", name)
        GROUP.commands[name].make_context(name, words)  # parses the options and their values


@pytest.mark.parametrize("parameter", list(options()))
def test_every_option_says_its_default(parameter: Any) -> None:
    shown = parameter.show_default and parameter.default not in (None, ())
    assert parameter.required or parameter.is_flag or shown or "Default: " in parameter.help


@pytest.mark.parametrize("name", ["", *EXAMPLES])
def test_flags_take_no_value(freeloc: Callable[..., Any], name: str) -> None:
    shown = freeloc(*([name] if name else []), "--help").out
    assert "--help" in shown
    assert "bool" not in shown.lower()


@pytest.mark.parametrize("name", EXAMPLES)
def test_explanations_have_room_on_80_columns(
    freeloc: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of options are never broken, and at least 26 columns are left for what they do."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = freeloc(name, "--help").out
    for option in (item for item in GROUP.commands[name].params if item.param_type_name == "option"):
        if not option.hidden:
            assert all(word in shown for word in (*option.opts, *option.secondary_opts))
    for panel in shown.split("╭─")[1:]:
        texts = [
            line.rstrip("│ ") for line in panel.splitlines() if line.startswith("│") and "--" in line[:8]
        ]
        starts = [len(text) - len(re.split(r"\s{2,}", text)[-1]) for text in texts]
        assert not starts or min(starts) <= 78 - 26


@pytest.mark.parametrize("parameter", list(options()))
def test_every_choice_is_shown(parameter: Any) -> None:
    kind = parameter.type_descriptor.annotation
    if typing.get_origin(kind) is typing.Literal and parameter.metavar is not None:
        assert all(choice in parameter.help for choice in typing.get_args(kind))


# --- completion --------------------------------------------------------------------------------------------


@pytest.fixture
def complete(
    freeloc: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """What bash is offered for the last word; there is a model my-dogs."""
    (tmp_path / "my-dogs.safetensors").write_bytes(b"x")
    monkeypatch.setenv("FREELOC_MODELS", str(tmp_path))

    def run(*words: str) -> list[str]:
        monkeypatch.setenv("_FREELOC_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", shlex.join(["freeloc", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        answer = freeloc()
        assert (answer.code, answer.err) == (0, "")
        offered: list[str] = answer.out.split()
        return offered

    return run


def test_completion_offers_commands_options_and_values(complete: Callable[..., list[str]]) -> None:
    assert sorted(complete("pre")) == ["predict", "pretrain"]
    assert complete("predict", "--ov") == ["--overwrite", "--overlay"]
    assert complete("predict", "--preset", "b") == ["balanced", "best"]
    assert complete("predict", "my") == complete("evaluate", "my") == ["my-dogs"]
    assert complete("predict", "voc20", "a") == []  # the shell offers files itself


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_each_shell_is_shown(
    freeloc: Callable[..., Any], shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_FREELOC_COMPLETE", f"source_{shell}")
    assert f"complete_{shell}" in freeloc().out


ASK = """
COMP_WORDS=(freeloc predict --overl); COMP_CWORD=2
_freeloc_completion freeloc
echo "${COMPREPLY[@]}"
"""
"""What bash does when the user presses the tabulator key."""


def install(shell: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run ``freeloc --install-completion`` in a shell."""
    program = shlex.join([sys.executable, "-c", RUN, "--install-completion"])
    environment = {**os.environ, "HOME": str(home)}
    # A shell does not replace itself by the program if another command follows.
    script = f"{program}; exit $?"
    return subprocess.run([shell, "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_completion_is_installed_for_bash(tmp_path: Path) -> None:
    done = install("/bin/bash", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    script = tmp_path / ".bash_completions" / "freeloc.sh"
    assert str(script) in (tmp_path / ".bashrc").read_text()
    program = tmp_path / "freeloc"
    program.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, '-c', RUN])}\n")
    program.chmod(0o755)
    asked = subprocess.run(
        ["/bin/bash", "-c", f"source {script}; {ASK}"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (asked.stdout, asked.stderr) == ("--overlay\n", "")


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a POSIX shell")
def test_a_shell_without_completion_and_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    done = install("/bin/sh", tmp_path)
    assert done.returncode == 2
    assert "freeloc: cannot tell which shell this is: run the command in bash, zsh, fish" in done.stderr
    (tmp_path / "file").touch()
    if Path("/bin/bash").exists():
        done = install("/bin/bash", tmp_path / "file")
        assert done.returncode == 2
        assert done.stderr.startswith("freeloc: cannot read or write ")
        assert done.stderr.count("\n") == 1
