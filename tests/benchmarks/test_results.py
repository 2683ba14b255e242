"""The page is generated from the JSON, and sections are independent."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import prediction
from benchmarks.frontier import chart_of
from benchmarks.results import (
    chart_file,
    load_results,
    name_in_results,
    render_again,
    render_page,
    render_speed_page,
    save_section,
)
from freeloc.errors import MalformedFileError


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median}


MACHINE = {
    "machine": {
        "processor": "Some Processor",
        "cores": 2,
        "flags": ["avx2"],
        "system": "Linux",
        "versions": {"torch": "2.8"},
    },
    "peaks": {
        "matrix_side": 2048,
        "gflops": {"openvino": {"float32": 100.0}, "torch": {"float32": 90.0}},
        "copy_gbytes_per_second": 20.0,
    },
}
ROW = {
    "gflop": {"body": 4.0, "projection": 0.2, "head": 1.1},
    "ms": {name: spread(10.0) for name in ("body", "backbone", "maps", "maps512")},
    "fraction_of_peak": 0.53,
    "maps_over_backbone": spread(1.2),
    "maps_over_body": spread(1.3),
    "maps512_over_body": spread(1.1),
}
PREDICTION: dict[str, Any] = {
    "quick": False,
    **MACHINE,
    "workload": {
        "data": "VOC val",
        "images": 9,
        "backbone": "efficientnet_lite2",
        "hidden": 2048,
        "classes": 20,
        "trained": True,
        "scales": [0.5, 1.0],
    },
    "throughput": {
        "images": 4,
        "rounds": 3,
        "ms_per_image": {
            "freeloc, predict_many": spread(250.0),
            "eager torch float32, square padding": spread(2500.0),
        },
        "speedup": {
            "freeloc, predict_many": {"eager torch float32, square padding": spread(10.0)},
            "freeloc int8, predict_many": {"eager torch float32, square padding": spread(15.0)},
        },
    },
    "peers": {
        "images": 2,
        "rounds": 3,
        "ms_per_image": {"freeloc, one scale": spread(20.0), "torchcam Grad-CAM, tuned": spread(120.0)},
        "speedup": {
            "freeloc, one scale": {"torchcam Grad-CAM, tuned": spread(6.0)},
            "freeloc, one scale, int8": {"torchcam Grad-CAM, tuned": spread(8.0)},
        },
        "all_scales_over_one_class": {
            "freeloc, all scales": {"pytorch-grad-cam, tuned (one class)": spread(0.7)}
        },
        "problems": ["grad-cam was not measured, it cannot be imported: pip install --group bench"],
    },
    "peer_accuracy": {
        "images": 4,
        "rows": {"freeloc, one scale": {"location": 88.0, "classification": 92.0}},
        "problems": [],
    },
    "networks": {
        "images": 2,
        "precision": "float32",
        "peak_gflops": 100.0,
        "scales": {"0.5": ROW, "all": ROW},
    },
    "stages": {
        "images": 2,
        "ms_per_image": {"decode": spread(5.0), "inference": spread(45.0), "total": spread(50.0)},
    },
    "agreement": {
        "images": 4,
        "points_within_one_cell": {
            "paper mode, cell of the winning scale": {"all_classes": 99.51, "present_classes": 100.0}
        },
        "largest_score_difference": 0.01,
        "map": {"classification": {"freeloc": 93.9, "torch_float32": 93.88, "difference": 0.02}},
    },
}
FRONTIER: dict[str, Any] = {
    "quick": False,
    **MACHINE,
    "precision": "float32",
    "images": 4,
    "points": [
        {
            "backbone": "efficientnet_lite2",
            "scales": [0.7, 1.4],
            "preset": "fast",
            "ms": 123.4,
            "classification": 93.0,
            "location": 90.05,
            "pointing": 95.0,
            "on_frontier": True,
        },
        {
            "backbone": "efficientnet_lite2",
            "scales": [0.7, 1.4, 2.0],
            "early_exit_after": 2,
            "preset": "balanced",
            "ms": 234.5,
            "classification": 94.0,
            "location": 92.05,
            "pointing": 96.0,
            "on_frontier": True,
        },
        {
            "backbone": "efficientnet_lite2",
            "scales": [2.8],
            "preset": None,
            "ms": 999.0,
            "classification": 80.0,
            "location": 70.0,
            "pointing": 75.0,
            "on_frontier": False,
        },
    ],
}


NAME = "Some Processor, 2 cores"


def page_of(**sections: dict[str, Any]) -> str:
    """Render the page of one machine."""
    return render_page({"schema_version": 2, "machines": {NAME: sections}})


def tables(page: str) -> list[list[list[str]]]:
    """Return the rows of every table, as lists of cells."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", page, flags=re.MULTILINE)
    return [[line.strip("|").split("|") for line in block.strip().splitlines()] for block in blocks]


def test_the_page_contains_every_figure() -> None:
    page = page_of(prediction=PREDICTION, frontier=FRONTIER)
    for text in (
        "Some Processor, 2 cores, Linux",
        "| 2048×2048 matrix product, openvino, float32 | 100 GFLOP/s |",
        "| throughput: speedup over eager torch float32, square padding | ≥ 8× | 10× [9, 11] |",
        "| all classes, one scale: speedup over torchcam Grad-CAM, tuned | ≥ 4× | 6× [5.4, 6.6] |",
        "pytorch-grad-cam, tuned (one class) at one scale | > 1× | **missed:** 0.7× [0.63, 0.77] |",
        "> grad-cam was not measured",
        "| freeloc, predict_many | 4.00 | 250 [225, 275] |  |  |",
        "| throughput, int8: speedup over eager torch float32, square padding | ≥ 8× | 15× [13.5, 16.5] |",
        "| all classes, one scale, int8: speedup over torchcam Grad-CAM, tuned | ≥ 4× | 8× [7.2, 8.8] |",
        "| 0.5 | 4.00 | 0.20 | 1.10 | 10 [9, 11] | 53% |",
        "| inference | 45 [40.5, 49.5] | 90% |",
        "| classification | 93.90 | 93.88 | +0.02 |",
        "| efficientnet_lite2 | 0.7, 1.4 | `fast` | 123 | 90.0 | 93.0 | 95.0 |",
        "| efficientnet_lite2 | 0.7, 1.4; if undecided 2 | `balanced` | 234 | 92.0 | 94.0 | 96.0 |",
        "(frontier-some-processor-2-cores.svg)",
        "## Some Processor, 2 cores\n\n### Prediction on a processor\n",
        "\n#### Targets\n",
    ):
        assert text in page, text
    assert page.count("missed") == 1, "only targets that are not met are marked"
    assert "999" not in page, "choices that are not on the frontier are only in the JSON"
    assert "quick run" not in page


def test_the_documented_page_matches_its_results() -> None:
    docs = Path(__file__).parents[2] / "docs"
    results = load_results(docs)
    assert (docs / "benchmarks.md").read_text("utf-8") == render_page(results)
    speed = (docs / "speed.md").read_text("utf-8")
    assert speed == render_speed_page(speed, results)
    charts = {
        chart_file(name): chart_of(sections["frontier"])
        for name, sections in results["machines"].items()
        if "frontier" in sections
    }
    assert charts == {path.name: path.read_text("utf-8") for path in docs.glob("frontier*.svg")}


def test_presets_are_listed_even_if_not_on_the_frontier() -> None:
    first, _, last = FRONTIER["points"]
    page = page_of(frontier={**FRONTIER, "points": [first, {**last, "preset": "best"}]})
    assert "| efficientnet_lite2 | 2.8 | `best` (not on the frontier) | 999 |" in page


def test_every_table_is_well_formed() -> None:
    page = page_of(prediction=PREDICTION, frontier=FRONTIER)
    found = tables(page)
    assert len(found) == 13
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert len(table) >= 3


def test_skipped_parts_are_mentioned() -> None:
    skipped = {"skipped": "this requires a trained model (--model FILE)"}
    page = page_of(prediction={**PREDICTION, "quick": True, "agreement": skipped, "peer_accuracy": skipped})
    assert page.count("this requires a trained model") == 2
    assert "the figures are meaningless" in page


def test_a_note_of_a_section_stands_below_its_heading() -> None:
    page = page_of(prediction={**PREDICTION, "note": "an earlier network was measured"})
    heading = "### Prediction on a processor"
    assert page.split(heading)[1].lstrip().startswith("> an earlier network was measured\n")


def test_saving_replaces_one_section_of_one_machine(tmp_path: Path) -> None:
    save_section(tmp_path, "prediction", PREDICTION)
    save_section(tmp_path, "frontier", FRONTIER)
    other = {**PREDICTION, "machine": {**PREDICTION["machine"], "flags": ["avx2", "avx512_vnni"]}}
    save_section(tmp_path, "prediction", other)
    save_section(tmp_path, "prediction", {**PREDICTION, "quick": True})
    machines = load_results(tmp_path)["machines"]
    assert machines.keys() == {NAME, "Some Processor with VNNI, 2 cores"}
    assert machines[NAME]["frontier"] == json.loads(json.dumps(FRONTIER))
    assert machines[NAME]["prediction"]["quick"] is True
    assert machines["Some Processor with VNNI, 2 cores"] == {"prediction": json.loads(json.dumps(other))}
    page, chart = tmp_path / "benchmarks.md", tmp_path / chart_file(NAME)
    assert page.read_text("utf-8") == render_page(load_results(tmp_path))
    assert chart.read_text("utf-8") == chart_of(FRONTIER)
    page.unlink()
    chart.unlink()
    render_again(tmp_path)
    assert page.read_text("utf-8") == render_page(load_results(tmp_path))
    assert chart.is_file()


def test_another_processor_of_the_same_name_replaces_nothing(tmp_path: Path) -> None:
    def measured(**numbers: Any) -> dict[str, Any]:
        return {**PREDICTION, "machine": {**PREDICTION["machine"], **numbers}}

    save_section(tmp_path, "prediction", PREDICTION)
    save_section(tmp_path, "frontier", FRONTIER)
    save_section(tmp_path, "prediction", measured(family=25, model=17))
    assert load_results(tmp_path)["machines"].keys() == {NAME}, "the flags are the same"
    save_section(tmp_path, "prediction", measured(family=26, model=2))
    save_section(tmp_path, "prediction", measured(flags=["avx2", "fma"]))
    other = "Some Processor (family 26, model 2), 2 cores"
    machines = load_results(tmp_path)["machines"]
    assert machines.keys() == {NAME, other, "Some Processor (2), 2 cores"}
    assert machines[NAME].keys() == {"prediction", "frontier"}
    assert machines[NAME]["prediction"]["machine"]["model"] == 17
    save_section(tmp_path, "frontier", {**FRONTIER, "machine": measured(family=26, model=2)["machine"]})
    results = load_results(tmp_path)
    assert results["machines"][other].keys() == {"prediction", "frontier"}
    page = (tmp_path / "benchmarks.md").read_text("utf-8")
    assert "| processor | Some Processor, family 26, model 2, 2 cores, Linux |" in page
    held = name_in_results(results, measured()["machine"], int8_only=True)
    assert held == "Some Processor held to VNNI, 2 cores"


def test_the_targets_depend_on_the_kind_of_processor() -> None:
    def rows_of(
        precision: str, ms: float, flags: tuple[str, ...] = (), **throughput: Any
    ) -> dict[str, tuple[str, str]]:
        section = json.loads(json.dumps(PREDICTION))
        section["networks"]["precision"] = precision
        section["machine"]["flags"] += flags
        section["throughput"]["ms_per_image"]["freeloc int8, predict_many"] = spread(ms)
        section["throughput"] |= throughput
        return {name: (target, text) for name, target, text in prediction._targets(section)}

    what = "throughput, int8: speedup over the float network in"
    assert rows_of("float32", 100.0)[f"{what} float32"] == (
        "≥ 2.8×",
        "**missed:** 2.5× (quotient of the medians)",
    )
    assert rows_of("bfloat16", 100.0)[f"{what} bfloat16"] == ("≥ 1.5×", "2.5× (quotient of the medians)")
    recorded = rows_of("float32", 100.0, int8_over_float=spread(3.0))
    assert recorded[f"{what} float32"] == ("≥ 2.8×", "3× [2.7, 3.3]")
    of_peak = "percentage of the peak, all scales, with AMX"
    assert of_peak not in recorded
    assert rows_of("bfloat16", 100.0, ("amx_bf16", "amx_int8"))[of_peak] == ("≥ 45%", "53%")


def test_ratios_that_were_not_recorded_are_quotients_and_the_page_says_so() -> None:
    note = "their speedup is the quotient of the two medians"
    assert note not in page_of(prediction=PREDICTION)
    section = json.loads(json.dumps(PREDICTION))
    section["throughput"]["ms_per_image"]["freeloc int8, predict_many"] = spread(100.0)
    page = page_of(prediction=section)
    assert note in page
    assert "| speedup of int8 over the float network | 2.5× |" in page
    section["throughput"]["int8_over_float"] = spread(2.4)
    page = page_of(prediction=section)
    assert note not in page
    assert "| speedup of int8 over the float network | 2.4× |" in page


def test_machines_are_compared_side_by_side() -> None:
    slower = json.loads(json.dumps(PREDICTION))
    slower["throughput"]["speedup"]["freeloc, predict_many"]["eager torch float32, square padding"] = spread(
        4.0
    )
    del slower["peers"]["speedup"]["freeloc, one scale, int8"]
    machines = {"A": {"prediction": PREDICTION}, "B": {"prediction": slower}, "C": {"speed": {}}}
    page = render_page({"machines": machines})
    assert "|  | A | B |\n" in page
    assert "| speedup over eager torch | 10× | 4× |" in page
    assert "| speedup over torchcam Grad-CAM, tuned, one scale, int8 | 8× |  |" in page
    assert "balanced" not in page.split("## A")[0], "what nobody measured is left out"
    assert "\n## C\n" not in page, "that page has its own results"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 99}', '{"schema_version": 2}'])
def test_damaged_results_are_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "benchmarks.json").write_text(text)
    with pytest.raises(MalformedFileError, match=r"benchmarks\.json: .*measure again"):
        save_section(tmp_path, "prediction", PREDICTION)
    assert (tmp_path / "benchmarks.json").read_text() == text
