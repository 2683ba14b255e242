"""Detection of hardware capabilities."""

from __future__ import annotations

import torch

from freeloc.runtime import native_bfloat16, torch_device
from freeloc.runtime.hardware import usable_cores


def test_cores_are_counted_up_to_a_limit() -> None:
    assert 1 <= usable_cores() <= 16


def test_torch_computes_in_bfloat16_where_the_hardware_does_unless_float32_is_requested() -> None:
    for runtime in ("auto", "openvino"):
        device, low = torch_device("float32", runtime)
        assert not low
        device, low = torch_device("auto", runtime)
        assert low == native_bfloat16(device.type)
    assert device == torch.device("cpu")  # whatever is available: OpenVINO means the CPU
