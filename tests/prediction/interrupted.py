"""Interrupt predictions at random moments, in processes of their own, until there were enough interruptions.

Run as a program: ``interrupted.py IMAGES OUT INTERRUPTIONS SEED``, where IMAGES contains images and a video. It prints
the number of interruptions by signal, and leaves finished outputs in folders below OUT; nobody has disturbed the one in
``0``. The network is tiny, and the processes import nothing, so that interruptions hit all parts of the work.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from freeloc.images.video import read_properties
from freeloc.inference.localizer import Localizer
from freeloc.prediction.predict_files import PredictionOptions, predict_files
from tests.fuzz.networks import make_model, register_patches
from tests.runtime.networks import Patches

OPTIONS = PredictionOptions(formats=("jsonl", "npz"), threshold=0.0, map_size="lattice")


def start(localizer: Localizer, images: list[Path], out: Path) -> int:
    """Start a prediction in a process created by ``fork``, which need not import anything, and return its number."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the process can tell
    number = os.fork()
    if number == 0:
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            predict_files(localizer, images, out, OPTIONS, quiet=True)
            code = 0
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return number


def main() -> None:
    folder, out, interruptions, seed = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    read_properties(next(Path(folder).glob("*.mkv")))  # loads PyAV
    register_patches()
    model = Path(out).parent / "model.safetensors"
    make_model(Patches(), ("cat", "dog"), hidden=4).save(model)
    localizer = Localizer.load(model, runtime="torch", precision="float32")
    images = sorted(Path(folder).iterdir())
    rng = random.Random(int(seed))
    began = time.monotonic()
    _, status = os.waitpid(start(localizer, images, Path(out) / "0"), 0)
    duration = time.monotonic() - began
    assert status == 0, status
    sent: Counter[str] = Counter()
    number = 1
    while sent.total() < int(interruptions):
        process = start(localizer, images, Path(out) / str(number))
        time.sleep(rng.uniform(0, duration))
        chosen = rng.choice([signal.SIGINT, signal.SIGKILL])
        os.kill(process, chosen)
        _, status = os.waitpid(process, 0)
        if status == 0:  # it had finished
            number += 1
            continue
        expected = chosen if chosen == signal.SIGKILL else 130 << 8
        assert status == expected, status
        sent[chosen.name] += 1
    _, status = os.waitpid(start(localizer, images, Path(out) / str(number)), 0)
    assert status == 0, status
    print(json.dumps(sent))


if __name__ == "__main__":
    main()
