"""A process that tries cases, so that a crash or a hang ends only this process.

It reads one JSON object per line from standard input, the case's name and folder, and answers each with a line on
the pipe given by its number. ``python -m tests.fuzz.worker TARGET FOLDER PIPE``
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

from tests.fuzz.target import Target, load_target
from tests.fuzz.verdict import Outcome, judge

__all__ = ["main", "try_case"]


def try_case(
    target: Target,
    target_name: str,
    case: str,
    folder: Path,
    *,
    make: bool = True,
    printed_to: Path | None = None,
) -> Outcome:
    """Make the files of one case and judge their use.

    Args:
        target: the prepared target.
        target_name: its name, which is part of the seed.
        case: name of the case, which determines everything random.
        folder: folder of the case's files.
        make: whether to make the files; False to use those in the folder.
        printed_to: see `tests.fuzz.verdict.judge`.
    """
    if make:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            target.make(Random(f"make {target_name} {case}"), folder)
        except Exception as error:  # noqa: BLE001 - reported, so that the other cases are tried
            return Outcome("failed", f"the case cannot be made: {error!r}", traceback.format_exc())
    with _memory_limit(target.memory):
        return judge(lambda: target.use(Random(f"use {target_name} {case}"), folder), printed_to)


def main(words: list[str]) -> None:
    """Answer cases until standard input ends."""
    target_name, folder, pipe = words
    os.nice(max(0, 19 - os.nice(0)))
    work = Path(folder)
    # A crash is reported there even while standard error is captured.
    faulthandler.enable(os.dup(2))
    _keep_to(work)
    target = load_target(target_name)
    (work / "prepared").mkdir(parents=True)
    target.prepare(work / "prepared")
    with os.fdopen(int(pipe), "w") as answers:
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            task = json.loads(line)
            outcome = try_case(
                target,
                target_name,
                task["case"],
                Path(task["folder"]),
                make=task["make"],
                printed_to=work / "printed",
            )
            print(json.dumps(asdict(outcome)), file=answers, flush=True)


def _keep_to(work: Path) -> None:
    """Keep caches, models and temporary files in a folder of this process."""
    for name in ("FREELOC_CACHE", "XDG_DATA_HOME", "HOME", "TMPDIR"):
        place = work / name.lower()
        place.mkdir(parents=True)
        os.environ[name] = str(place)


@contextmanager
def _memory_limit(size: int) -> Iterator[None]:
    """Let the block use at most ``size`` more bytes of address space, where the system can limit that.

    Making the files of a case is not limited: what earlier cases have left behind would make it fail.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


if __name__ == "__main__":
    main(sys.argv[1:])
