"""Benchmarks of speed and agreement, compared in one run: ``make bench``.

They are not part of the package. ``python -m benchmarks`` runs the suite and writes ``docs/benchmarks.json``
and the page generated from it; ``python -m benchmarks.prediction``, ``python -m benchmarks.frontier`` and the
like run one benchmark.
"""
