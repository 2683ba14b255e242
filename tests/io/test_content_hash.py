from __future__ import annotations

import io

from freeloc.io.content_hash import hash_bytes, hash_file


def test_bytes_and_files_have_equal_hashes() -> None:
    # The first half of the SHA-256 of "abc", from FIPS 180-2.
    assert hash_bytes(b"abc") == hash_file(io.BytesIO(b"abc")) == "ba7816bf8f01cfea414140de5dae2223"
