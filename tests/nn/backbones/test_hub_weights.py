"""Weights from the hub: a server on this computer answers as the hub does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from safetensors.torch import save
from torch import nn

from freeloc._log import NOTICE
from freeloc.errors import BackboneError
from freeloc.nn.backbones import catalog
from freeloc.nn.backbones.catalog import HubFile
from freeloc.nn.backbones.hub_weights import fetch_from_hub
from freeloc.nn.backbones.registry import load_backbone
from freeloc.nn.backbones.weight_files import without_downloads

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "timm/small"


class Hub:
    """A server with one repository; ``requests`` lists the paths that were asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.stated = hashlib.sha256(content).hexdigest()
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(b"")

            def do_GET(self) -> None:
                self.answer(hub.content)

            def answer(self, body: bytes) -> None:
                hub.requests.append(self.path)
                known = [f"/{REPOSITORY}/resolve/{name}/model.safetensors" for name in (COMMIT, "main")]
                self.send_response(200 if self.path in known else 404)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("X-Linked-Etag", f'"{hub.stated}"')
                self.send_header("ETag", f'"{hub.stated}"')
                self.send_header("X-Linked-Size", str(len(hub.content)))
                self.send_header("Content-Length", str(len(hub.content)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.constants as constants

    started = Hub(b"weights")
    thread = threading.Thread(target=started.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", started.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", started.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield started
    started.server.shutdown()
    thread.join()
    started.server.server_close()


def pinned(hub: Hub) -> HubFile:
    return HubFile(repository=REPOSITORY, revision=COMMIT, sha256=hub.stated)


def test_a_pinned_file_is_downloaded_once(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    path = fetch_from_hub(pinned(hub), "timm:small")
    assert path.read_bytes() == hub.content
    asked = list(hub.requests)
    assert f"/{REPOSITORY}/resolve/{COMMIT}/model.safetensors" in asked
    assert not any("main" in request for request in asked)
    with without_downloads():
        assert fetch_from_hub(pinned(hub), "timm:small") == path
    assert hub.requests == asked
    assert not caplog.messages


def test_a_file_that_is_not_pinned_is_used_with_a_message(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    file = HubFile(repository=REPOSITORY)
    with caplog.at_level(NOTICE):
        path = fetch_from_hub(file, "timm:small")
    assert path.read_bytes() == hub.content
    (message,) = caplog.messages
    assert message.startswith("the weights of backbone timm:small are not pinned")
    assert hub.requests[0] == f"/{REPOSITORY}/resolve/main/model.safetensors"


def test_other_content_than_the_pinned_one_is_refused(hub: Hub) -> None:
    file = replace(pinned(hub), sha256="0" * 64)
    with pytest.raises(BackboneError, match="damaged or was replaced .* instead of 00000000") as caught:
        fetch_from_hub(file, "timm:small")
    assert caught.value.parameter == "weights"


def test_a_damaged_copy_is_noticed_even_if_nothing_is_pinned(hub: Hub) -> None:
    path = fetch_from_hub(HubFile(repository=REPOSITORY), "timm:small")
    path.resolve().write_bytes(b"other")
    with pytest.raises(BackboneError, match="damaged or was replaced"):
        fetch_from_hub(HubFile(repository=REPOSITORY), "timm:small")


def test_without_downloads_nothing_is_asked_for(hub: Hub) -> None:
    with without_downloads(), pytest.raises(BackboneError, match="timm:small are not on this computer"):
        fetch_from_hub(pinned(hub), "timm:small")
    assert hub.requests == []


def test_a_revision_that_the_hub_lacks_is_named(hub: Hub) -> None:
    file = replace(pinned(hub), revision="f" * 40)
    with pytest.raises(
        BackboneError, match=r"cannot be downloaded from timm/small at revision fffffff \(.*local state dict"
    ):
        fetch_from_hub(file, "timm:small")


def test_a_network_with_pinned_weights_loads_them(
    hub: Hub,
    timm: ModuleType,
    random_weights: Callable[[nn.Module, int], nn.Module],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "timm:mobilenetv3_small_050.lamb_in1k"
    network = random_weights(timm.create_model("mobilenetv3_small_050", pretrained=False), 5)
    hub.content = save(network.state_dict())
    hub.stated = hashlib.sha256(hub.content).hexdigest()
    facts = replace(catalog.CATALOG[3], name="small", loads=name, offset=0.5, hub=pinned(hub))
    monkeypatch.setitem(catalog._BY_FULL_NAME, name, facts)
    local = tmp_path / "local.safetensors"
    local.write_bytes(hub.content)
    assert load_backbone(name).fingerprint == load_backbone(name, local).fingerprint
    assert load_backbone(name, download=False).name == name
