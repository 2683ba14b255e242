"""The paper's tables and figures for anybody's backbone and images, every row by the same code."""

from freeloc.paper.reproduce import Outcome, Reproduction
from freeloc.paper.rows import ROWS, RowPlan, chosen_rows
from freeloc.paper.settings import Places, Settings
from freeloc.paper.studies import STUDIES, Study, named_study
from freeloc.paper.write_outputs import write_outcome

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
