"""Networks that are compiled in a thread while the program does something else."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from freeloc.errors import ModelError
from freeloc.inference import network_loader
from freeloc.inference.localizer import Localizer
from freeloc.runtime import compile_cached
from tests.inference.sample_inputs import noise


@pytest.fixture
def compiled(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Localizer, list[int | None]]:
    """A localizer whose graph is cached, and the numbers of streams for which it is compiled."""
    options: dict[str, Any] = {"runtime": "openvino", "precision": "float32", "scales": (0.5,)}
    Localizer.load(tiny_run, **options).prepare()
    calls: list[int | None] = []

    def counted(*words: Any, streams: int | None, **keywords: Any) -> Any:
        calls.append(streams)
        return compile_cached(*words, streams=streams, **keywords)

    monkeypatch.setattr(network_loader, "compile_cached", counted)
    return Localizer.load(tiny_run, **options), calls


def test_all_callers_get_its_network(compiled: tuple[Localizer, list[int | None]]) -> None:
    localizer, calls = compiled
    localizer.start_preparing()
    networks: list[object] = []
    threads = [
        threading.Thread(target=lambda: networks.append(localizer._loader.compile(streams=1)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(networks) == 3
    assert len(set(map(id, networks))) == 1
    assert calls == [1]
    assert localizer.prepare().precision == "float32"
    assert calls == [1]


def test_another_number_of_streams_is_compiled_separately(
    compiled: tuple[Localizer, list[int | None]],
) -> None:
    localizer, calls = compiled
    localizer.start_preparing(many=False)
    assert len(list(localizer.predict_many([noise(40, 30), noise(50, 30)]))) == 2
    assert sorted(calls, key=str) == [1, None]


def test_a_forked_process_does_not_wait_for_it(compiled: tuple[Localizer, list[int | None]]) -> None:
    localizer, calls = compiled
    localizer.start_preparing()
    assert localizer._loader._started is not None
    localizer._loader._started.result()
    localizer._loader._started._owner = -1  # as if another process had started it
    localizer.prepare()
    assert calls == [1, 1]


def test_its_error_is_raised_where_the_network_is_needed(
    compiled: tuple[Localizer, list[int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_words: Any, **_keywords: Any) -> Any:
        raise ModelError("the graph is unusable")

    monkeypatch.setattr(network_loader, "compile_cached", fail)
    localizer, _ = compiled
    localizer.start_preparing()
    for _ in range(2):
        with pytest.raises(ModelError, match="the graph is unusable"):
            localizer.predict(noise(40, 30))


def test_what_must_be_converted_is_not_started(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path))
    localizer = Localizer.load(tiny_run, runtime="openvino", precision="float32", scales=(0.5,))
    localizer.start_preparing()
    assert localizer._loader._started is None
