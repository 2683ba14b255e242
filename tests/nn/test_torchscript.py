"""Warnings about TorchScript stay away from the user's terminal, all others do not."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest

from freeloc.nn.torchscript import silence_torchscript

# What torch 2.13 and 2.14 say.
MESSAGES = (
    "`torch.jit.trace` is deprecated. Please switch to `torch.compile` or `torch.export`.",
    "`torch.jit.trace` is not supported in Python 3.14+ and may break. Please switch to `torch.compile`.",
    "`torch.jit.script` is deprecated. Please switch to `torch.compile` or `torch.export`.",
)

CONVERT = """
import sys
import warnings

import torch
from tests.runtime.networks import Patches
from freeloc.runtime.compile import network_graph
from freeloc.runtime.openvino_import import load_openvino
import freeloc.runtime.openvino_conversion

load_openvino()
trace = torch.jit.trace

def future(*words, **named):
    # Older versions of torch warn in a category that is hidden by default.
    warnings.warn("`torch.jit.trace` is deprecated. Please switch to `torch.compile`.", FutureWarning)
    return trace(*words, **named)

torch.jit.trace = future
warnings.simplefilter(sys.argv[1])
network_graph(Patches(), None)
"""


@pytest.mark.parametrize("category", [DeprecationWarning, FutureWarning, UserWarning])
@pytest.mark.parametrize("message", MESSAGES)
def test_they_are_silenced_under_every_filter(message: str, category: type[Warning]) -> None:
    for action in ("error", "always", "default"):
        with warnings.catch_warnings(record=action != "error") as seen:
            warnings.simplefilter(action)
            before = list(warnings.filters)
            with silence_torchscript():
                warnings.warn(message, category, stacklevel=1)
            assert list(warnings.filters) == before
        assert not seen


def test_other_warnings_are_not() -> None:
    with silence_torchscript(), pytest.warns(DeprecationWarning, match="something else"):
        warnings.warn("something else", DeprecationWarning, stacklevel=1)


@pytest.mark.parametrize("action", ["error", "always", "default"])
def test_a_conversion_prints_nothing(action: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FREELOC_CACHE", str(tmp_path_factory.mktemp("empty")))
        done = subprocess.run(
            [sys.executable, "-c", CONVERT, action], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
