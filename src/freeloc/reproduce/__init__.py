"""The paper's tables and figures for anybody's trunk and photographs, every row by the same code."""

from freeloc.reproduce.rows import ROWS, RowPlan, chosen_rows
from freeloc.reproduce.run import Outcome, Reproduction
from freeloc.reproduce.settings import Places, Settings
from freeloc.reproduce.studies import STUDIES, Study, named_study
from freeloc.reproduce.writing import write_outcome

__all__ = [
    "ROWS",
    "STUDIES",
    "Outcome",
    "Places",
    "Reproduction",
    "RowPlan",
    "Settings",
    "Study",
    "chosen_rows",
    "named_study",
    "write_outcome",
]
