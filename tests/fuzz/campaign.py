"""Try many cases in worker processes, keep those that fail, and count all."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.verdict import Outcome

__all__ = ["Campaign", "Tally", "Worker", "replay"]

_START_LIMIT = 600.0
"""Seconds in which a worker has to be ready; preparing loads torch and compiles networks."""

_SHARES = {"labels": 3.0, "images": 3.0, "models": 2.0}
"""Share of the time of each target; 1 for all others."""

_KEPT = 3
"""Number of cases that are kept of each finding."""


@dataclass
class Tally:
    """The numbers of one target.

    Attributes:
        verdicts: number of cases by verdict.
        findings: number of cases by summary, of those that are findings.
        seconds: time spent.
        slowest: the longest time of one case, in seconds, and its name.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest: tuple[float, str] = (0.0, "")

    @property
    def cases(self) -> int:
        """Number of cases."""
        return self.verdicts.total()

    @property
    def found(self) -> int:
        """Number of cases that are findings."""
        return self.findings.total()


class Worker:
    """A worker process of one target, which is started when it is first needed.

    Args:
        target: name of the target.
        folder: folder for the worker's files, deleted at its end.
        case_limit: seconds after which a case hangs.
    """

    def __init__(self, target: str, folder: Path, case_limit: float) -> None:
        self._target = target
        self._folder = folder
        self._limit = case_limit
        self._process: subprocess.Popen[str] | None = None
        self._pipe = -1
        self._buffer = b""

    def run(self, case: str, folder: Path, *, make: bool = True) -> Outcome:
        """Try one case; see `tests.fuzz.worker.try_case`."""
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        task = {"case": case, "folder": str(folder), "make": make}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        answer = self._answer(self._limit)
        if answer is not None:
            return Outcome(**json.loads(answer))
        return self._silence()

    def stop(self) -> None:
        """End the process and delete its files."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            os.close(self._pipe)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _silence(self) -> Outcome:
        """Return what happened to a process that did not answer, and end it."""
        assert self._process is not None
        ended = bool(select.select([self._pipe], [], [], 0)[0])
        if not ended:
            self._process.send_signal(signal.SIGABRT)  # so that faulthandler writes where every thread is
        try:
            code = self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        printed = self._printed()
        self.stop()
        if not ended:
            return Outcome("hung", f"no answer in {self._limit:g} seconds", printed)
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Outcome("crashed", f"the process ended with {name}", printed)

    def _start(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._pipe, theirs = os.pipe()
        self._buffer = b""
        with (self._folder / "printed").open("wb") as printed:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.fuzz.worker"),
                    *(self._target, str(self._folder / "files"), str(theirs)),
                ],
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=printed,
                pass_fds=(theirs,),
                text=True,
            )
        os.close(theirs)
        if self._answer(_START_LIMIT) is None:
            printed_text = self._printed()
            self.stop()
            raise RuntimeError(f"the worker of {self._target} did not start:\n{printed_text}")

    def _answer(self, limit: float) -> bytes | None:
        """Return the next line, or None if the process ended or the time is over."""
        deadline = time.monotonic() + limit
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._pipe, 65536) if ready else b""
            if not data:
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _printed(self) -> str:
        files = self._folder / "files" / "printed", self._folder / "printed"
        texts = [file.read_text(errors="replace")[-20_000:] for file in files if file.exists()]
        return "\n".join(text for text in texts if text)


class Campaign:
    """A series of cases of several targets, which share the time.

    Args:
        targets: names of the targets.
        seed: determines all cases.
        out: folder for what is found.
        case_limit: seconds after which a case hangs.
    """

    def __init__(self, targets: Sequence[str], seed: int, out: Path, case_limit: float = 180.0) -> None:
        self.tallies = {name: Tally() for name in targets}
        self.seed = seed
        self.failures = out / "failures"
        self._work = out / f"work-{os.getpid()}"
        self._workers = {name: Worker(name, self._work / _plain(name), case_limit) for name in targets}

    def run(self, *, seconds: float | None = None, cases: int | None = None) -> None:
        """Try cases until the time is over, or each target has had its number of cases."""
        start = time.monotonic()
        try:
            while seconds is None or time.monotonic() - start < seconds:
                waiting = {
                    name: tally
                    for name, tally in self.tallies.items()
                    if cases is None or tally.cases < cases
                }
                if not waiting:
                    break
                self._try_next(min(waiting, key=lambda name: waiting[name].seconds / _SHARES.get(name, 1.0)))
        finally:
            for worker in self._workers.values():
                worker.stop()
            shutil.rmtree(self._work, ignore_errors=True)

    def _try_next(self, name: str) -> None:
        tally = self.tallies[name]
        case = f"{self.seed}-{tally.cases}"
        folder = self._work / f"{_plain(name)}-case"
        start = time.monotonic()
        outcome = self._workers[name].run(case, folder)
        seconds = time.monotonic() - start
        tally.seconds += seconds
        tally.slowest = max(tally.slowest, (seconds, case))
        tally.verdicts[outcome.verdict] += 1
        if outcome.is_finding:
            signature = _signature(outcome)
            tally.findings[signature] += 1
            if tally.findings[signature] <= _KEPT:
                self._keep(name, case, folder, outcome)

    def _keep(self, name: str, case: str, folder: Path, outcome: Outcome) -> None:
        kept = self.failures / f"{_plain(name)}-{case}"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        if folder.exists():
            folder.rename(kept / "input")
        (kept / "case.json").write_text(json.dumps({"target": name, "case": case}))
        (kept / "finding.txt").write_text(
            f"{outcome.verdict}: {outcome.summary}\n\n{outcome.detail}", encoding="utf-8", errors="replace"
        )
        print(f"{name} {case} {outcome.verdict}: {outcome.summary}\n  kept in {kept}", flush=True)


def replay(folder: Path, case_limit: float = 180.0) -> Outcome:
    """Try a kept case again, with the files that were kept."""
    task = json.loads((folder / "case.json").read_text())
    work = folder / f"work-{os.getpid()}"
    worker = Worker(task["target"], work, case_limit)
    try:
        return worker.run(task["case"], folder / "input", make=not (folder / "input").is_dir())
    finally:
        worker.stop()


def _plain(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _signature(outcome: Outcome) -> str:
    """Return the text that two cases of the same finding share: its last place in the code, or its summary."""
    places = [line.strip() for line in outcome.detail.splitlines() if line.lstrip().startswith("File ")]
    kind = outcome.summary.split(":")[0]
    return re.sub(r"\d+", "N", f"{outcome.verdict} {kind} {places[-1] if places else outcome.summary}")
