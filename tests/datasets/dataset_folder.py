"""Base of the small dataset folders for the tests of readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pytest

from freeloc.datasets import DataProblems, Dataset
from freeloc.datasets.problems import Problem


class DatasetFolder(ABC):
    """A dataset on disk that a test builds, opens, and damages."""

    @abstractmethod
    def open(self, **options: Any) -> Dataset:
        """Open the dataset; the options are those of ``open_dataset``."""

    def problems(self, **options: Any) -> list[Problem]:
        """Return the problems that opening the dataset reports."""
        with pytest.raises(DataProblems) as caught:
            self.open(**options)
        return list(caught.value.problems)

    def problem(self, **options: Any) -> Problem:
        """Return the only problem that opening the dataset reports."""
        (problem,) = self.problems(**options)
        return problem
