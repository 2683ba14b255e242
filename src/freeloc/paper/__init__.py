"""Reproduction of the paper's tables and figures with any backbone and dataset."""

from freeloc.paper.reproduce import Reproduction
from freeloc.paper.row_plans import ROWS, RowPlan, select_rows
from freeloc.paper.settings import ReproductionSettings
from freeloc.paper.studies import PRESETS, STUDIES, Study, StudyPreset, find_preset, find_study
from freeloc.paper.study_folder import StudyFolder
from freeloc.paper.study_result import StudyResult
from freeloc.paper.write_outputs import write_outputs

__all__ = [
    "PRESETS",
    "ROWS",
    "STUDIES",
    "Reproduction",
    "ReproductionSettings",
    "RowPlan",
    "Study",
    "StudyFolder",
    "StudyPreset",
    "StudyResult",
    "find_preset",
    "find_study",
    "select_rows",
    "write_outputs",
]
