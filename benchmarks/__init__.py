"""Speeds and agreements, measured side by side in one run: ``make bench``.

Nothing here is part of the package. ``python -m benchmarks`` runs the suite and writes ``docs/benchmarks.json``
and the page made from it; ``python -m benchmarks.prediction`` and ``python -m benchmarks.frontier`` run one part.
"""
