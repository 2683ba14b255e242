"""Weight files are downloaded with a hash check and never run code."""

import hashlib
import http.server
import io
import pickle
import re
import socket
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from freeloc.errors import BackboneError, FreelocError
from freeloc.nn.backbones.weight_files import check_fit, fetch, load_state, without_downloads


def small_state() -> dict[str, Tensor]:
    return {"first.weight": torch.arange(6.0).reshape(2, 3), "first.bias": torch.tensor([1.0, -1.0])}


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    assert all(torch.equal(left[key], right[key]) for key in left)


# --- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_reads_a_torch_checkpoint_wrapped_or_not(tmp_path: Path, wrapper: str | None) -> None:
    state = small_state()
    path = tmp_path / "weights.pth"
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    assert_same(load_state(path), state)


def test_reads_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(small_state(), path)
    assert_same(load_state(path), small_state())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FreelocError, match=r"nowhere\.pth does not exist: specify a \.safetensors or \.pth file"
    ):
        load_state(tmp_path / "nowhere.pth")


@pytest.mark.parametrize(
    "content", [[torch.zeros(1)], {"a": 1}, {"a": {"b": torch.zeros(1)}}, torch.zeros(2)]
)
def test_anything_but_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(FreelocError, match="does not contain named tensors"):
        load_state(path)


class _Trap:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("by_torch", [True, False])
def test_pickled_code_is_not_run(tmp_path: Path, by_torch: bool) -> None:
    sprung = tmp_path / "sprung"
    path = tmp_path / "weights.pth"
    if by_torch:
        torch.save({"weight": _Trap(sprung)}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": _Trap(sprung)}))
    with pytest.raises(FreelocError, match="more than tensors") as caught:
        load_state(path)
    assert not sprung.exists()
    assert "weights_only" not in str(caught.value), "no advice to switch the check off"
    pickle.loads(pickle.dumps(_Trap(sprung)))
    assert sprung.exists(), "the trap itself works"


def _checkpoint_bytes() -> bytes:
    buffer = io.BytesIO()
    torch.save(small_state(), buffer)
    return buffer.getvalue()


@given(content=st.binary(max_size=200), suffix=st.sampled_from([".pth", ".safetensors"]))
@example(content=b"", suffix=".pth")
@example(content=pickle.dumps({"a": 1})[:-3], suffix=".pth")
@example(content=(1 << 60).to_bytes(8, "little") + b"{}", suffix=".safetensors")
@example(content=_checkpoint_bytes()[:400], suffix=".pth")
@settings(max_examples=60)
def test_any_bytes_end_in_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"noise{suffix}"
    path.write_bytes(content)
    with pytest.raises(FreelocError, match=f"weight file .*noise{suffix}"):
        load_state(path)


def test_a_storage_that_the_file_does_not_contain(tmp_path: Path) -> None:
    """Torch reports it as an AssertionError."""
    path = tmp_path / "weights.pth"
    torch.save(small_state(), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    (key,) = set(re.findall(rb"X.\x00\x00\x00(\d{5,})", data)[-1:])
    head, _, tail = data.rpartition(key)
    path.write_bytes(head + bytes(key[:-1]) + (b"1" if key[-1:] != b"1" else b"2") + tail)
    with pytest.raises(BackboneError, match=r"weights\.pth cannot be read \(it is damaged"):
        load_state(path)


def test_a_reference_to_a_storage_that_makes_no_sense(tmp_path: Path) -> None:
    """Torch reports it as an AssertionError."""
    with zipfile.ZipFile(io.BytesIO(_checkpoint_bytes())) as file:
        members = {info.filename: file.read(info) for info in file.infolist()}
    with zipfile.ZipFile(tmp_path / "weights.pth", "w") as file:
        for name, content in members.items():
            number_5_as_reference = b"\x80\x02K\x05Q."
            file.writestr(name, number_5_as_reference if name.endswith("data.pkl") else content)
    with pytest.raises(BackboneError, match=r"weights\.pth cannot be read \(it is damaged"):
        load_state(tmp_path / "weights.pth")


# --- fitting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [0, 46, 128, 255])
def test_torch_does_not_warn_of_a_damaged_protocol_number(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "weights.pth"
    torch.save(small_state(), path, _use_new_zipfile_serialization=False)
    data = bytearray(path.read_bytes())
    assert data[:2] == b"\x80\x02"
    for place in range(len(data) - 1):
        if data[place : place + 2] == b"\x80\x02":
            data[place + 1] = protocol
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as warned:
        warnings.resetwarnings()
        with suppress(BackboneError):
            load_state(path)
    assert warned == []


def test_a_fitting_state_passes_without_batch_counters() -> None:
    needed = small_state() | {"norm.num_batches_tracked": torch.tensor(0)}
    check_fit(small_state(), needed, Path("file.pth"), "some backbone")


def test_missing_and_unknown_tensors_are_counted_and_named() -> None:
    state = {"first.weight": torch.zeros(2, 3), "odd": torch.zeros(1), "odder": torch.zeros(1)}
    with pytest.raises(
        FreelocError,
        match=r"file\.pth does not fit backbone T: it lacks 1 .*first\.bias.* has 2 unknown .*odd\b",
    ):
        check_fit(state, small_state(), Path("file.pth"), "T")


def test_a_wrong_shape_is_named() -> None:
    state = small_state() | {"first.weight": torch.zeros(3, 2)}
    with pytest.raises(FreelocError, match=r"first\.weight of .* \(3, 2\), but backbone T requires \(2, 3\)"):
        check_fit(state, small_state(), Path("file.pth"), "T")


# --- fetching --------------------------------------------------------------------------------------------


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where downloaded files are cached."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch home"))
    return tmp_path / "torch home" / "hub" / "checkpoints"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A weight file with its hash in its name."""
    content = _checkpoint_bytes()
    path = tmp_path / "published" / f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.parent.mkdir()
    path.write_bytes(content)
    return path


@pytest.fixture
def server(published: Path) -> Iterator[str]:
    """The folder of ``published``, served over HTTP on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(published.parent))
    ) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_fetches_once_over_http_and_caches_the_file(server: str, published: Path, cached: Path) -> None:
    path = fetch(f"{server}/{published.name}", "T")
    assert path == cached / published.name
    assert_same(load_state(path), small_state())
    published.unlink()
    assert fetch(f"{server}/{published.name}", "T") == path, "the cached copy is used"
    assert [item.name for item in cached.iterdir()] == [path.name]


def test_without_downloads_only_a_cached_file_is_used(published: Path, cached: Path) -> None:
    with without_downloads(), pytest.raises(FreelocError, match="T are not on this computer") as caught:
        fetch(published.as_uri(), "T")
    assert caught.value.parameter == "weights"
    assert not cached.exists()
    path = fetch(published.as_uri(), "T")
    with without_downloads():
        assert fetch(published.as_uri(), "T") == path


def test_a_wrong_hash_is_refused_and_leaves_nothing(published: Path, cached: Path) -> None:
    wrong = published.with_name("net-00000000.pth")
    published.rename(wrong)
    with pytest.raises(FreelocError, match=r"weights of backbone T cannot be downloaded .*hash.*local copy"):
        fetch(wrong.as_uri(), "T")
    assert list(cached.iterdir()) == []


def test_a_missing_page_is_reported(server: str, cached: Path) -> None:
    with pytest.raises(FreelocError, match=r"cannot be downloaded from .*net-12345678\.pth.*404"):
        fetch(f"{server}/net-12345678.pth", "T")
    assert list(cached.iterdir()) == []


def test_no_network_is_reported_with_what_was_tried_and_the_fix(cached: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/net-12345678.pth"
    with pytest.raises(FreelocError) as caught:
        fetch(url, "T")
    assert url in str(caught.value)
    assert str(cached) in str(caught.value)
    assert "local copy" in str(caught.value)
    assert caught.value.parameter == "weights"


def test_a_damaged_cached_file_is_noticed(published: Path, cached: Path) -> None:
    path = fetch(published.as_uri(), "T")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FreelocError, match=r"is damaged .*delete it"):
        fetch(published.as_uri(), "T")


def test_an_unusable_cache_folder_is_reported(published: Path, cached: Path) -> None:
    cached.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(FreelocError, match="cannot be downloaded"):
        fetch(published.as_uri(), "T")


def test_an_address_without_a_hash_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="no hash"):
        fetch("https://example.org/net.pth", "T")
