"""Read and change model files byte by byte, according to the published layout of safetensors files."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freeloc.models.stored_tensors import CHECKSUM, TensorInfo, header_checksum

__all__ = ["rewrite", "split", "write_parts"]


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the JSON header of a safetensors file, and the bytes of its tensors."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write_parts(path: Path, header: dict[str, Any], tensors: bytes) -> None:
    """Write a safetensors file from the results of `split`."""
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + tensors)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object], *, valid_checksum: bool = True) -> None:
    """Change freeloc's part of a model file's header.

    Args:
        path: the model file.
        change: function that changes the decoded header in place.
        valid_checksum: whether to store the checksum of the changed header, as a program would that writes
            contradictory models. False leaves the checksum as it is, as damage of the file would.
    """
    header, tensors = split(path.read_bytes())
    own = json.loads(header["__metadata__"]["freeloc"])
    change(own)
    if valid_checksum and CHECKSUM in own:
        table = {
            name: TensorInfo(entry["dtype"], tuple(entry["shape"]))
            for name, entry in header.items()
            if name != "__metadata__"
        }
        own[CHECKSUM] = header_checksum(own, table)
    header["__metadata__"]["freeloc"] = json.dumps(own)
    write_parts(path, header, tensors)
