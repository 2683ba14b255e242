"""NNCF is imported without reporting its use, and leaves the environment unchanged."""

from __future__ import annotations

import subprocess
import sys

import pytest

SILENT = """
import socket
from unittest.mock import MagicMock

def refuse(*words):
    raise AssertionError("NNCF opened a connection")

socket.socket.connect = refuse
import os
from freeloc.training.quantization.nncf_quantization import _load_nncf

_load_nncf()
assert "NNCF_CI" not in os.environ
from nncf.telemetry import telemetry

assert isinstance(telemetry, MagicMock), "NNCF would report its use"
import logging

assert logging.getLoggerClass() is logging.Logger
"""


def test_nncf_reports_nothing() -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    done = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
