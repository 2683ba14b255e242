from __future__ import annotations

import logging
from pathlib import Path

import pytest

from freeloc.datasets.problems import MAX_PRINTED_PROBLEMS, DataProblems, Problem, ProblemList
from freeloc.errors import FreelocError, MalformedFileError
from freeloc.io.text import read_text
from tests.hostile_names import HOSTILE, is_safe

LIST = Path("tags.csv")


def test_a_problem_reads_as_file_line_message() -> None:
    assert str(Problem("bad_value", LIST, 7, "'x' is wrong")) == "tags.csv:7: 'x' is wrong"
    assert str(Problem("bad_value", LIST, None, "'x' is wrong")) == "tags.csv: 'x' is wrong"


def test_report_counts_by_kind_and_lists_by_file_and_line() -> None:
    problems = ProblemList(LIST)
    problems.add("unknown_class", LIST, 9, "unknown class 'dgo'")
    problems.add("missing_image", LIST, 4, "image a.jpg is missing")
    problems.add("missing_image", LIST, 12, "image b.jpg is missing")
    with pytest.raises(DataProblems) as caught:
        problems.report(skip_bad=False)
    counts = "2 missing images, 1 unknown class name"
    assert str(caught.value).splitlines() == [
        f"3 problems in tags.csv ({counts}): fix them, or leave their images out",
        "tags.csv:4: image a.jpg is missing",
        "tags.csv:9: unknown class 'dgo'",
        "tags.csv:12: image b.jpg is missing",
    ]
    assert [problem.line for problem in caught.value.problems] == [4, 9, 12]
    assert isinstance(caught.value, FreelocError)
    assert (caught.value.path, caught.value.parameter) == (LIST, "skip_bad")


def test_one_problem_is_reported_in_the_singular() -> None:
    headline = str(DataProblems(LIST, [Problem("duplicate_row", LIST, 3, "again")])).splitlines()[0]
    assert headline == ("1 problem in tags.csv (1 duplicate row): fix it, or leave its image out")


@pytest.mark.parametrize(
    ("count", "more"), [(MAX_PRINTED_PROBLEMS, None), (MAX_PRINTED_PROBLEMS + 7, "and 7 more")]
)
def test_a_long_report_is_cut_but_the_list_is_complete(count: int, more: str | None) -> None:
    problems = [Problem("bad_value", LIST, line, f"row {line}") for line in range(1, count + 1)]
    error = DataProblems(LIST, problems)
    lines = str(error).splitlines()
    assert lines[1 : MAX_PRINTED_PROBLEMS + 1] == [
        str(problem) for problem in problems[:MAX_PRINTED_PROBLEMS]
    ]
    assert lines[MAX_PRINTED_PROBLEMS + 1 :] == ([more] if more else [])
    assert error.problems == tuple(problems)


def test_skip_bad_logs_what_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    problems = ProblemList(LIST)
    problems.add("missing_image", LIST, 4, "image a.jpg is missing")
    with caplog.at_level(logging.WARNING, logger="freeloc.datasets"):
        problems.report(skip_bad=True, skipped=1)
    assert caplog.messages == [
        "left out 1 image of tags.csv (1 missing image)\ntags.csv:4: image a.jpg is missing"
    ]


def test_a_fatal_problem_is_an_error_despite_skip_bad() -> None:
    problems = ProblemList(LIST)
    problems.add("missing_image", LIST, 4, "image a.jpg is missing")
    problems.add("malformed_file", LIST, 1, "no header", fatal=True)
    with pytest.raises(DataProblems, match="fix them; leaving images out does not help with 1 of them"):
        problems.report(skip_bad=True)


def test_only_fatal_problems_do_not_offer_skip_bad() -> None:
    error = DataProblems(LIST, [Problem("empty_class", LIST, None, "class 'dog'")], fatal=1)
    assert "fix it; leaving images out does not help" in str(error)
    assert error.parameter is None


def test_without_problems_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ProblemList(LIST).report(skip_bad=False)
    assert not caplog.records


def test_text_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes("file_name,tags\na.jpg,dog\nb.jpg,Gemüse\n".encode("latin-1"))
    with pytest.raises(MalformedFileError, match="save the file as UTF-8") as caught:
        read_text(file)
    assert (caught.value.file, caught.value.line) == (file, 3)


def test_byte_order_mark_goes_and_line_ends_stay(tmp_path: Path) -> None:
    file = tmp_path / "windows.csv"
    file.write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    assert read_text(file) == "a\r\nb\r\n"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FreelocError, match=r"cannot read .*nowhere\.csv"):
        read_text(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_name_forges_no_problem(name: str, caplog: pytest.LogCaptureFixture) -> None:
    problems = ProblemList(Path(name))
    problems.add("missing_image", Path(name), 4, f"image {name} is missing")
    problems.add("missing_image", LIST, 5, name)
    with pytest.raises(DataProblems) as caught:
        problems.report(skip_bad=False)
    problems.report(skip_bad=True, skipped=2)
    for text in (str(caught.value), caplog.messages[-1]):
        assert is_safe(text)
        assert len(text.splitlines()) == 3
    assert caught.value.path == Path(name)
    assert {problem.message for problem in caught.value.problems} == {f"image {name} is missing", name}


def test_a_name_of_megabytes_is_shortened() -> None:
    problems = ProblemList(LIST)
    problems.add("missing_image", LIST, 5, f"image {'x' * 2_000_000}.jpg is missing")
    with pytest.raises(DataProblems) as caught:
        problems.report(skip_bad=False)
    assert len(str(caught.value)) < 7000
    assert str(caught.value).endswith("x.jpg is missing")
    assert len(caught.value.problems[0].message) > 2_000_000
