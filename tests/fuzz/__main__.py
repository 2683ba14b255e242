"""Fuzz what freeloc reads: ``make fuzz``, or ``python -m tests.fuzz --minutes 60``."""

from __future__ import annotations

import argparse
import random
import signal
import sys
from pathlib import Path

from tests.fuzz.campaign import Campaign, replay
from tests.fuzz.target import TARGETS

_ROW = "{:<12} {:>8} {:>8} {:>8} {:>7} {:>9} {:>9} {:>10}"


def main(words: list[str] | None = None) -> int:
    """Run the fuzzer, print a table, and return 1 if anything was found."""
    arguments = _parse(words)
    if arguments.replay is not None:
        outcome = replay(arguments.replay, arguments.case_limit)
        print(f"{outcome.verdict}: {outcome.summary}\n{outcome.detail}".rstrip())
        return int(outcome.is_finding)
    targets = arguments.target.split(",") if arguments.target else list(TARGETS)
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    campaign = Campaign(targets, seed, arguments.out, arguments.case_limit)
    try:
        campaign.run(
            seconds=60 * arguments.minutes if arguments.cases is None else None, cases=arguments.cases
        )
    except KeyboardInterrupt:
        print("interrupted")
    _report(campaign)
    return int(any(tally.found for tally in campaign.tallies.values()))


def _parse(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to run (default: 5)")
    parser.add_argument("--cases", type=int, help="number of cases of each target, instead of a time")
    parser.add_argument("--seed", type=int, help="determines all cases (default: random)")
    parser.add_argument("--target", help=f"comma-separated (default: all): {', '.join(TARGETS)}")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/fuzz"),
        help="folder for the cases that are found (default: build/fuzz)",
    )
    parser.add_argument(
        "--case-limit", type=float, default=180.0, help="seconds after which a case hangs (default: 180)"
    )
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="try a kept case again")
    return parser.parse_args(words)


def _report(campaign: Campaign) -> None:
    print(_ROW.format("target", "cases", "opened", "refused", "opened", "findings", "minutes", "slowest"))
    for name, tally in campaign.tallies.items():
        opened, refused = (tally.verdicts[verdict] for verdict in ("opened", "refused"))
        share = f"{opened / tally.cases:.0%}" if tally.cases else "-"
        print(
            _ROW.format(
                name,
                tally.cases,
                opened,
                refused,
                share,
                tally.found,
                f"{tally.seconds / 60:.1f}",
                f"{tally.slowest[0]:.1f} s",
            )
        )
    for name, tally in campaign.tallies.items():
        for signature, count in tally.findings.most_common():
            print(f"{name}: {count} × {signature}")


if __name__ == "__main__":
    # The table is printed whatever ends the run; a shell may have told a background process to ignore Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
