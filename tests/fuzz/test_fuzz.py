"""A short run of the fuzzer finds nothing, and the fuzzer finds what is planted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freeloc.datasets.tags import csv_list
from tests.fuzz.__main__ import main
from tests.fuzz.campaign import Campaign, replay
from tests.fuzz.faulty import Faulty
from tests.fuzz.labels import Labels
from tests.fuzz.target import TARGETS
from tests.fuzz.worker import try_case

SEED = 20
"""Any seed will do; a fixed one keeps the tests reproducible."""

CASES = {
    "labels": 150,
    "detections": 100,
    "images": 250,
    "videos": 120,
    "weights": 100,
    "checkpoints": 60,
    "arrays": 60,
    "manifests": 60,
    "features": 30,
    "models": 20,
    "graphs": 20,
}
"""Number of cases of each target; compiling networks takes longer."""


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_finds_nothing(target: str, tmp_path: Path) -> None:
    campaign = Campaign([target], SEED, tmp_path)
    count = CASES[target]
    campaign.run(cases=count)
    tally = campaign.tallies[target]
    assert not tally.findings, tally.findings
    assert tally.cases == count
    # If nearly everything were refused, only refusals would be tested.
    assert tally.verdicts["opened"] >= count / 8
    assert not list(tmp_path.iterdir())


class TestFindings:
    @pytest.mark.parametrize(
        ("fault", "summary"),
        [
            ("exception", "KeyError: 'key'"),
            ("exit", "SystemExit: 0"),
            ("wrong result", "Finding: 1 + 1 is 3"),
            ("native message", "something was printed: libfoo: bad tag"),
            ("two lines", "the message of a DatasetError has several lines"),
            ("escape", "the message of a DatasetError has characters that control a terminal"),
            ("log", "a logged message has characters that control a terminal"),
        ],
    )
    def test_each_fault_is_found(self, fault: str, summary: str, tmp_path: Path) -> None:
        target = Faulty()
        target.fault = fault
        outcome = try_case(target, "faulty", "0", tmp_path / "case")
        assert outcome.verdict == "failed"
        assert outcome.summary.startswith(summary)

    def test_a_warning_is_found(self, tmp_path: Path) -> None:
        # In another process, because pytest collects warnings.
        (tmp_path / "input").mkdir()
        (tmp_path / "input" / "fault").write_text("warning")
        (tmp_path / "case.json").write_text(json.dumps({"target": "tests.fuzz.faulty:Faulty", "case": "1-0"}))
        outcome = replay(tmp_path)
        assert outcome.verdict == "failed"
        assert "RuntimeWarning: overflow encountered" in outcome.detail

    @pytest.mark.parametrize(("fault", "verdict"), [("", "opened"), ("refusal", "refused")])
    def test_what_is_right_is_none(self, fault: str, verdict: str, tmp_path: Path) -> None:
        target = Faulty()
        target.fault = fault
        assert try_case(target, "faulty", "0", tmp_path / "case").verdict == verdict

    def test_a_reader_with_a_fault_is_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def outcomes() -> list[str]:
            return [try_case(Labels(), "labels", f"{SEED}-{n}", tmp_path / "case").summary for n in range(60)]

        assert not any("KeyError" in summary for summary in outcomes())

        def faulty(*_arguments: object, **_options: object) -> None:
            raise KeyError("file_name")

        monkeypatch.setattr(csv_list, "read_text", faulty)
        assert any("KeyError" in summary for summary in outcomes())


class TestProcesses:
    def test_a_crash_ends_one_case_and_is_kept(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = "tests.fuzz.faulty:Crashing"
        assert main(["--target", name, "--cases", "9", "--seed", "1", "--out", str(tmp_path)]) == 1
        out = capsys.readouterr().out
        assert "the process ended with SIGSEGV" in out
        kept = sorted((tmp_path / "failures").iterdir())
        assert 0 < len(kept) <= 3
        for folder in kept:
            assert (folder / "input" / "number").read_text() == "0"
            assert json.loads((folder / "case.json").read_text())["target"] == name
            assert "Fatal Python error: Segmentation fault" in (folder / "finding.txt").read_text()
        assert main(["--replay", str(kept[0])]) == 1
        assert "crashed" in capsys.readouterr().out

    def test_what_was_mended_replays_without_a_finding(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "input").mkdir()
        (tmp_path / "input" / "number").write_text("1")
        (tmp_path / "case.json").write_text(
            json.dumps({"target": "tests.fuzz.faulty:Crashing", "case": "1-0"})
        )
        assert main(["--replay", str(tmp_path)]) == 0
        assert capsys.readouterr().out == "opened:\n"

    def test_memory_that_earlier_cases_keep_does_not_count(self, tmp_path: Path) -> None:
        campaign = Campaign(["tests.fuzz.faulty:Keeping"], SEED, tmp_path)
        campaign.run(cases=5)
        (tally,) = campaign.tallies.values()
        assert tally.verdicts == {"opened": 5}

    def test_a_hang_is_found(self, tmp_path: Path) -> None:
        campaign = Campaign(["tests.fuzz.faulty:Hanging"], SEED, tmp_path, case_limit=0.5)
        campaign.run(cases=2)
        (tally,) = campaign.tallies.values()
        assert tally.verdicts == {"hung": 2}
        (folder, _other) = sorted((tmp_path / "failures").iterdir())
        assert "faulty.py" in (folder / "finding.txt").read_text()
        assert replay(folder, case_limit=0.5).verdict == "hung"


def test_cases_are_the_same_in_every_process(tmp_path: Path) -> None:
    def files(run: str) -> dict[str, bytes]:
        for case in range(5):
            try_case(Labels(), "labels", f"{SEED}-{case}", tmp_path / run / str(case))
        root = tmp_path / run
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    first = files("first")
    assert len(first) > 10
    assert first == files("second")


def test_the_table_counts_every_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--target", "arrays", "--cases", "5", "--seed", "3", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "seed 3"
    assert lines[1].split()[:2] == ["target", "cases"]
    assert lines[2].split()[:2] == ["arrays", "5"]
