"""The page "Try it" in a browser: an image is dropped, and its points are those of Python."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pytest
from PIL import Image

import freeloc
from freeloc.geometry.size import Size
from freeloc.inference.localizer import Localizer
from freeloc.inference.score_map import fusion_lattice
from tests.posttraining.export.small_model import CLASSES
from tests.posttraining.export.test_localization import a_photo

DOCS = Path(freeloc.__file__).parents[2] / "docs"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

DROP = """
<script type="module">
const file = async (name) => new File([await (await fetch(name)).blob()], name, { type: "image/png" });
const state = document.getElementById("try-it-state");
const result = async (name) => {
  const data = new DataTransfer();
  data.items.add(await file(name));
  state.textContent = "";
  document.getElementById("try-it-drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
  while (!/^(Found|None|Sorry)/.test(state.textContent)) await new Promise((done) => setTimeout(done, 50));
  const rows = [...document.querySelectorAll("#try-it-rows tr")];
  const texts = rows.map((row) => ({ ...row.dataset, absent: row.classList.contains("absent") }));
  rows[0]?.click();
  const picture = document.getElementById("try-it-picture");
  return { state: state.textContent, rows: texts, size: [picture.width, picture.height] };
};
const results = [];
for (const name of ["first.png", "second.png", "large.png", "broken.png"]) results.push(await result(name));
await fetch("result", { method: "POST", body: JSON.stringify(results) });
</script>
"""


def load_script() -> Any:
    specification = importlib.util.spec_from_file_location("try_it", DOCS / "try_it.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


SCRIPT = load_script()


def test_only_the_expected_archive_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "runtime.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        for name in (*SCRIPT.FILES, "other.js"):
            information = tarfile.TarInfo(f"package/dist/{name}")
            information.size = len(name)
            packed.addfile(information, io.BytesIO(name.encode()))
    with pytest.raises(SystemExit, match="is not the file that was expected: delete it"):
        SCRIPT.unpack_runtime(archive, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    SCRIPT.unpack_runtime(archive, tmp_path / "folder", f"sha512-{digest}")
    assert {path.name: path.read_text() for path in (tmp_path / "folder").iterdir()} == {
        name: name for name in SCRIPT.FILES
    }


def test_the_license_of_the_runtime_is_beside_it() -> None:
    text = (DOCS / "try-it" / "LICENSE-onnxruntime-web.txt").read_text()
    assert all(name in text for name in SCRIPT.FILES)
    assert "MIT License" in text


@pytest.fixture(scope="module")
def site(run: Path, files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Localizer]:
    """The page with a small model, and the same model in Python."""
    if BROWSER is None:
        pytest.skip("there is no Chromium to show the page")
    if not SCRIPT.ARCHIVE.is_file():
        pytest.skip("there is no onnxruntime-web: run python docs/try_it.py --fetch")
    folder = tmp_path_factory.mktemp("site")
    page = (DOCS / "try-it.md").read_text("utf-8")
    (body,) = re.findall(r'<div id="try-it">.*</script>', page, re.DOTALL)
    (folder / "index.html").write_text(f"<!doctype html><meta charset='utf-8'>{body}{DROP}", "utf-8")
    shutil.copytree(DOCS / "try-it", folder / "try-it")
    SCRIPT.unpack_runtime(SCRIPT.ARCHIVE, folder / "try-it")
    shutil.copy(files / "small.onnx", folder / "try-it")
    SCRIPT.write_facts(folder / "try-it" / "small.onnx")
    return folder, Localizer.load(run, preset="fast", runtime="torch", precision="float32")


def visit(folder: Path, profile: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Open the page; return what it shows, and the requests that the browser makes."""
    results: SimpleQueue[list[dict[str, Any]]] = SimpleQueue()
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def guess_type(self, path: Any) -> str:
            return "text/javascript" if str(path).endswith(".mjs") else super().guess_type(path)

        def do_POST(self) -> None:
            requests.append(f"POST {self.path}")
            results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def do_GET(self) -> None:
            requests.append(f"GET {self.path}")
            super().do_GET()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}")
        address = f"http://127.0.0.1:{server.server_port}/index.html"
        browser = subprocess.Popen(
            [str(BROWSER), *words, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return results.get(timeout=240), requests
        except Empty:
            pytest.fail(f"the page did not answer; it requested {requests}")
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()


@pytest.mark.slow
def test_a_dropped_image_has_the_points_of_python(site: tuple[Path, Localizer], tmp_path: Path) -> None:
    folder, localizer = site
    for name, (width, height) in {"first": (333, 500), "second": (97, 61), "large": (2600, 900)}.items():
        Image.fromarray(a_photo(width, height) // 3 + 150).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no image")
    results, requests = visit(folder, tmp_path)
    for name, result in zip(("first", "second"), results, strict=False):
        expected = localizer(folder / f"{name}.png")
        rows = {row["name"]: row for row in result["rows"]}
        assert set(rows) == set(CLASSES)
        assert result["size"] == [expected.image_size.width, expected.image_size.height]
        found = [[float(rows[item][axis]) for axis in "xy"] for item in CLASSES]
        np.testing.assert_allclose(found, expected.points, atol=0.5)
        probabilities = [float(rows[item]["probability"]) for item in CLASSES]
        np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
        assert probabilities != sorted(probabilities, reverse=True)
        shown = [float(row["probability"]) for row in result["rows"]]
        assert shown == sorted(shown, reverse=True)
        present = {item.name for item in expected.present()}
        assert {item for item, row in rows.items() if not row["absent"]} == present
        assert (
            result["state"]
            == f"Found: {', '.join(row['name'] for row in result['rows'] if not row['absent'])}"
        )
    # The page reduces large images, but its points are those of the original.
    assert results[2]["size"] == [2000, 692]
    lattice = fusion_lattice(Size(2000, 692))
    for row in results[2]["rows"]:
        position = [float(row["x"]) * lattice.cols / 2600 - 0.5, float(row["y"]) * lattice.rows / 900 - 0.5]
        np.testing.assert_allclose(position, np.round(position), atol=1e-3)
    assert results[3]["state"] == "Sorry: broken.png is not an image that this browser can read."
    # Nothing is uploaded: the only request with content is that of this test.
    assert [request for request in requests if not request.startswith("GET ")] == ["POST /result"]
