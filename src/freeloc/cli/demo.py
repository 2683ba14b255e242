"""``freeloc demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeloc.cli.options import Quiet

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for scenes, model, overlays and results.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Random seed for the scenes and for training.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Generate scenes, train on their tags, and draw the predicted locations. Needs no data and no download."""
    from freeloc.demo.run import DemoSettings, run_demo
    from freeloc.visualization.evaluation_table import print_evaluation

    print_evaluation(run_demo(out, DemoSettings(seed=seed), quiet=quiet))
