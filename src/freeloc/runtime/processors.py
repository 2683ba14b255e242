"""The fastest precision on each kind of CPU, which the precision "auto" chooses.

Having instructions for a precision does not make it the fastest. The table `PROCESSOR_KINDS` therefore states
what was measured; docs/speed.md has the times. ``freeloc models --benchmark`` measures any other machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from freeloc._literals import Precision, Runtime
from freeloc.runtime.hardware import (
    cpu_has_amx,
    cpu_has_vnni,
    cpu_supports_bfloat16,
    cpu_supports_int8,
    cpu_vendor,
    cuda_usable,
    is_x86,
)

if TYPE_CHECKING:
    import torch

__all__ = [
    "PROCESSOR_KINDS",
    "CpuFeatures",
    "ProcessorKind",
    "bfloat16_is_faster",
    "classify",
    "explain_precision",
    "int8_is_fastest",
    "processor_kind",
    "torch_device",
]


@dataclass(frozen=True, slots=True)
class CpuFeatures:
    """What the choice of a precision depends on.

    Attributes:
        x86: whether it is an Intel-compatible CPU.
        vendor: "intel", "amd", or "" for any other.
        bfloat16: whether it has instructions for bfloat16.
        amx: whether it has Intel's instructions for matrices (AMX).
        vnni: whether it has instructions for sums of products of 8-bit integers (AVX-512 VNNI or AVX-VNNI).
    """

    x86: bool
    vendor: str
    bfloat16: bool
    amx: bool
    vnni: bool

    @classmethod
    def of_this_machine(cls) -> CpuFeatures:
        """Return the features of this machine's CPU."""
        return cls(is_x86(), cpu_vendor(), cpu_supports_bfloat16(), cpu_has_amx(), cpu_has_vnni())


@dataclass(frozen=True, slots=True)
class ProcessorKind:
    """A kind of CPU.

    Attributes:
        name: name, as messages show it.
        bfloat16: whether float networks are faster in bfloat16 than in float32.
        int8: whether int8 networks are faster than float networks and as accurate as on other CPUs.
        float_reason: the reason for the precision of float networks.
        int8_reason: the reason why int8 networks are used or not.
    """

    name: str
    bfloat16: bool
    int8: bool
    float_reason: str
    int8_reason: str


PROCESSOR_KINDS: Final = {
    "amx": ProcessorKind(
        "Intel with AMX",
        bfloat16=True,
        int8=True,
        float_reason="multiplies whole matrices in bfloat16",
        int8_reason="int8 without AMX is about 1.5 times as fast as bfloat16 with it",
    ),
    "amd-bfloat16": ProcessorKind(
        "AMD with AVX-512 BF16",
        bfloat16=True,
        int8=True,
        float_reason="multiplies twice as many numbers in bfloat16 as in float32",
        int8_reason="int8 is 1.4 times as fast as bfloat16",
    ),
    "intel-bfloat16": ProcessorKind(
        "Intel with AVX-512 BF16, without AMX",
        bfloat16=False,
        int8=True,
        float_reason="multiplies no more numbers in bfloat16 than in float32, and conversions take time",
        int8_reason="int8 is 2.3 times as fast as float32",
    ),
    "vnni": ProcessorKind(
        "Intel or AMD with VNNI, without bfloat16",
        bfloat16=False,
        int8=True,
        float_reason="has no instructions for bfloat16",
        int8_reason="int8 is 2.5 times as fast as float32",
    ),
    "x86": ProcessorKind(
        "Intel or AMD without VNNI",
        bfloat16=False,
        int8=False,
        float_reason="has no instructions for bfloat16",
        int8_reason="sums of int8 products overflow at 16 bits, which makes int8 networks inaccurate",
    ),
    "other": ProcessorKind(
        "a CPU on which freeloc was not measured",
        bfloat16=True,
        int8=False,
        float_reason="bfloat16 if it has instructions for it",
        int8_reason="int8 networks were not measured",
    ),
}
"""All kinds, by key."""


def classify(features: CpuFeatures) -> ProcessorKind:
    """Return the kind of a CPU."""
    if not features.x86 or (features.bfloat16 and not features.vendor):
        return PROCESSOR_KINDS["other"]
    if features.amx:
        return PROCESSOR_KINDS["amx"]
    if features.bfloat16:
        return PROCESSOR_KINDS[f"{features.vendor}-bfloat16"]
    return PROCESSOR_KINDS["vnni" if features.vnni else "x86"]


def explain_precision(precision: str, *, has_int8: bool | None = None) -> str:
    """Return why a precision was chosen on this CPU, for messages.

    Args:
        precision: the precision.
        has_int8: whether the model has an int8 network that fits it; None if the network is not that of a model.
    """
    kind = processor_kind()
    if precision == "int8":
        return f"precision int8: {kind.name}: {kind.int8_reason}"
    text = f"precision {precision}: {kind.name}: {kind.float_reason}"
    if has_int8 is False and int8_is_fastest():
        return f"{text}; {kind.int8_reason}, but the model has no int8 network"
    if has_int8 and not kind.int8:
        return f"{text}; {kind.int8_reason}"
    if has_int8 and not cpu_supports_int8():
        return f"{text}; the model's int8 network cannot run here, or would be inaccurate"
    return text


@cache
def processor_kind() -> ProcessorKind:
    """Return the kind of this machine's CPU."""
    return classify(CpuFeatures.of_this_machine())


def bfloat16_is_faster(device: str) -> bool:
    """Return whether the device "cuda" or "cpu" computes faster in bfloat16 than in float32."""
    if device == "cuda":
        import torch

        return bool(torch.cuda.is_bf16_supported())
    return cpu_supports_bfloat16() and processor_kind().bfloat16


def int8_is_fastest() -> bool:
    """Return whether int8 networks are the fastest on this CPU; False if they do not run here."""
    return processor_kind().int8 and cpu_supports_int8()


def torch_device(precision: Precision, runtime: Runtime = "auto") -> tuple[torch.device, bool]:
    """Return the device on which torch computes, for example in training, and whether it uses bfloat16.

    Args:
        precision: "float32" disables bfloat16; otherwise bfloat16 is used where it is faster.
        runtime: "openvino" selects the CPU.

    Raises:
        ConfigurationError: this process was forked after torch had used the GPU.
    """
    import torch

    device = torch.device("cuda" if runtime != "openvino" and cuda_usable() else "cpu")
    return device, precision != "float32" and bfloat16_is_faster(device.type)
