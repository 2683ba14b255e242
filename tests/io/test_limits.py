"""Recognition of exhausted open files and memory in the exceptions of many libraries."""

from __future__ import annotations

import errno
import os

import pytest

from freeloc.errors import ModelError, ResourceError
from freeloc.io.limits import (
    check_memory_limit,
    check_resources,
    has_limited_memory,
    resource_error,
)
from tests.limits import no_more_files

FILES = [
    OSError(errno.EMFILE, "Too many open files", "a.npy"),
    RuntimeError("I/O error: Too many open files (os error 24)"),
]
MEMORY = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ImportError("libopenvino.so: cannot map zero-fill pages"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried …"
    ),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("can't start new thread"),
]
OTHERS = [
    FileNotFoundError(errno.ENOENT, "No such file or directory", "out of memory.jpg"),
    OSError(errno.ENOSPC, "No space left on device"),
    ValueError("the array is damaged"),
    ImportError("No module named 'nncf'"),
    ModelError("cannot load model: out of memory"),
]


@pytest.mark.parametrize("error", FILES, ids=repr)
def test_open_files(error: Exception) -> None:
    with pytest.raises(
        ResourceError, match=r"^too many files are open: raise the limit .*ulimit -n"
    ) as caught:
        check_resources(error)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", MEMORY, ids=repr)
def test_memory(error: Exception) -> None:
    with pytest.raises(ResourceError, match=r"^there is not enough memory: "):
        check_resources(error)


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors(error: Exception) -> None:
    assert resource_error(error) is None
    check_resources(error)


@pytest.mark.parametrize(
    ("message", "is_memory"),
    [
        ("error return without exception set", True),
        ("<built-in function loads> returned NULL without setting an exception", True),
        ("bad argument to internal function", False),
    ],
)
def test_errors_without_reason_are_memory_only_if_it_is_limited(message: str, is_memory: bool) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits on a process")
    error, limits = SystemError(message), resource.getrlimit(resource.RLIMIT_AS)
    if not has_limited_memory():
        assert resource_error(error) is None
    resource.setrlimit(resource.RLIMIT_AS, (2**46, limits[1]))
    try:
        assert has_limited_memory()
        assert isinstance(resource_error(error), ResourceError) == is_memory
        check_memory_limit(2**46)
        with pytest.raises(
            ResourceError, match=r"limited to 70368744 MB, and at least 70368745 MB are needed"
        ):
            check_memory_limit(2**46 + 10**6)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_the_real_error() -> None:
    with no_more_files(), pytest.raises(OSError, match="Too many open files") as caught:
        os.open(os.devnull, os.O_RDONLY)
    assert isinstance(resource_error(caught.value), ResourceError)
