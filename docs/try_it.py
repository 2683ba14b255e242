"""Prepare the page "Try it": export voc20, and unpack onnxruntime-web into ``build/try-it``.

onnxruntime-web is downloaded by ``npm pack``, once, in the version below, and checked against its hash. It has
14 MB, so it is not part of the repository.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "try-it"
VERSION = "1.30.0"
ARCHIVE = ROOT / "build" / f"onnxruntime-web-{VERSION}.tgz"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
MODEL = "voc20-fast.onnx"


def fetch_runtime() -> None:
    """Download onnxruntime-web with npm, unless it is there already."""
    if ARCHIVE.is_file():
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("the page Try it requires npm, which downloads onnxruntime-web: install npm")
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [npm, "pack", "--silent", f"onnxruntime-web@{VERSION}"],
        cwd=ARCHIVE.parent,
        stdout=sys.stderr,
        check=True,
    )


def unpack_runtime(archive: Path, folder: Path, integrity: str = INTEGRITY) -> None:
    """Check the archive, and unpack the two files that the page needs."""
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != integrity:
        sys.exit(f"{archive} is not the file that was expected: delete it, and run this program again")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as packed:
        for name in FILES:
            content = packed.extractfile(f"package/dist/{name}")
            if content is None:
                sys.exit(f"{archive} does not contain {name}: adapt FILES to this version")
            (folder / name).write_bytes(content.read())


def write_facts(model: Path) -> None:
    """Write ``model.json`` beside an exported model, because JavaScript cannot read the metadata of the file."""
    import onnx

    metadata = {item.key: item.value for item in onnx.load(model).metadata_props}
    facts = {
        "file": model.name,
        **{key: json.loads(metadata[key]) for key in ("classes", "thresholds", "model")},
    }
    model.with_name("model.json").write_text(json.dumps(facts, ensure_ascii=False), "utf-8")


def main() -> None:
    """Fill ``build/try-it``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fetch", action="store_true", help="only download onnxruntime-web")
    arguments = parser.parse_args()
    fetch_runtime()
    if not arguments.fetch:
        unpack_runtime(ARCHIVE, TARGET)
        from freeloc import export_model

        export_model("voc20", onnx=TARGET / MODEL, preset="fast", overwrite=True)
        write_facts(TARGET / MODEL)


if __name__ == "__main__":
    main()
