"""``freeloc backbones``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from freeloc.cli.options import Precision, Quiet, Runtime, complete_backbone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeloc.features.list_backbones import ListedBackbone
    from freeloc.io.plain_console import PlainConsole
    from freeloc.nn.backbones.catalog import BackboneFacts

__all__ = ["backbones"]

_UNKNOWN = "unknown"


def backbones(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Only these backbones. Default: all that have a name.",
            autocompletion=complete_backbone,
        ),
    ] = None,
    benchmark: Annotated[
        bool,
        typer.Option(
            "--benchmark",
            help="Measure the milliseconds per image of 500×375 pixels on this computer, with random weights "
            "(minutes for all).",
        ),
    ] = False,
    to_dict: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    quiet: Quiet = False,
) -> None:
    """List good backbones: license, size, speed here, and how to get the weights."""
    import json

    from freeloc.features.list_backbones import backbones as list_backbones
    from freeloc.io.terminal import is_terminal, print_json, print_result

    found = list_backbones(
        names or None, benchmark=benchmark, runtime=runtime, precision=precision, quiet=quiet
    )
    if to_dict:
        print_json(json.dumps([item.to_dict() for item in found], indent=2, ensure_ascii=False))
    elif is_terminal(sys.stdout):
        _print_page(found)
    else:
        for item in found:
            print_result(item.name, *_columns(item))
    if benchmark and not to_dict:
        _print_conditions()


def _columns(item: ListedBackbone) -> tuple[str, ...]:
    """Return the full name, facts, source of the weights and, if it was measured, the time."""
    facts = item.facts
    if facts is None:
        columns: tuple[str, ...] = (item.loads, *[_UNKNOWN] * 6)
    else:
        columns = (
            *(item.loads, facts.license, "commercial" if facts.commercial else "not commercial"),
            *(str(facts.parameters), str(facts.stride), str(facts.channels), _weights(facts)),
        )
    return columns if item.milliseconds is None else (*columns, f"{item.milliseconds:.1f} ms")


def _weights(facts: BackboneFacts) -> str:
    """Return where the weights come from."""
    if facts.hub is None:
        return {"included": "included", "download": "downloaded, or --weights FILE"}.get(
            facts.weights, "--weights FILE"
        )
    revision = f" at {facts.hub.revision[:7]}" if facts.hub.revision else ""
    pinned = "pinned" if facts.hub.pinned else "not pinned"
    return f"hub: {facts.hub.repository}{revision} ({pinned}), or --weights FILE"


def _print_page(found: Sequence[ListedBackbone]) -> None:
    """Print one paragraph per backbone."""
    from freeloc.io.plain_console import PlainConsole
    from freeloc.io.terminal import standard_output

    with standard_output() as stream:
        console = PlainConsole(file=stream, soft_wrap=True)
        for item in found:
            _print_backbone(console, item)


def _print_backbone(console: PlainConsole, item: ListedBackbone) -> None:
    facts = item.facts
    time = "" if item.milliseconds is None else f", {item.milliseconds:.1f} ms per image"
    console.print(item.name, style="bold", end="")
    if facts is None:
        origin = "a network of timm" if item.name.startswith("timm:") else "from an installed package"
        console.print(f": {origin}{time}")
        return
    console.print(
        f": {facts.parameters / 1e6:.1f} million parameters, stride {facts.stride}, {facts.channels} features per "
        f"cell{time}"
    )
    use = "commercial use allowed" if facts.commercial else "no commercial use"
    console.print(f"    license: {facts.license}, {use} ({facts.terms})")
    console.print(f"    weights: {_weights(facts)}")
    console.print(f"    cache: {(item.cache_bytes or 0) / 1e6:.2f} MB per image of 500×375 pixels at scale 1")
    if item.loads != item.name:
        console.print(f"    short for {item.loads}")


def _print_conditions() -> None:
    from freeloc.features.list_backbones import BENCHMARK_IMAGE
    from freeloc.io.progress import print_status
    from freeloc.runtime.hardware import cpu_name, gpu_available, usable_cores

    device = "the GPU" if gpu_available() else f"{cpu_name()}, {usable_cores()} cores"
    print_status(
        f"milliseconds for the features of one image of {BENCHMARK_IMAGE.width}×{BENCHMARK_IMAGE.height} pixels "
        f"at scale 1 on {device}"
    )
