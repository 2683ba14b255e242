"""Weight files from the Hugging Face Hub, at a pinned revision and with a known hash where both are known."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from freeloc._log import NOTICE, get_logger
from freeloc.errors import BackboneError
from freeloc.io.limits import check_resources
from freeloc.nn.backbones.catalog import HubFile
from freeloc.nn.backbones.weight_files import downloads_allowed, first_line, not_downloaded

__all__ = ["fetch_from_hub"]

_log = get_logger(__name__)

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def fetch_from_hub(file: HubFile, backbone: str) -> Path:
    """Return the local copy of a weight file on the hub, downloading it if necessary.

    The copy is stored in the cache of huggingface_hub (``$HF_HUB_CACHE``), which timm uses as well. Its SHA-256 is
    compared with the one in ``file`` after the download and whenever the copy is used. If ``file`` has none, it is
    compared with the one that the hub states, which shows damage, but not whether the hub's file was replaced; a
    message says so when the file is downloaded.

    Args:
        file: the file, and what is known about it.
        backbone: name of the backbone, used in messages.

    Raises:
        BackboneError: the file cannot be downloaded, or must not be (`without_downloads`), or its content does not
            match the hash.
    """
    path = _find_copy(file)
    if path is None:
        if not downloads_allowed():
            raise not_downloaded(backbone)
        path = _download(file, backbone)
        if not file.pinned:
            _log.log(
                NOTICE,
                "the weights of backbone %s are not pinned: freeloc does not know the SHA-256 of %s in %s, so it "
                "could not check that the file is the one that was published",
                backbone,
                file.filename,
                file.repository,
            )
    _check_content(path, file, backbone)
    return path


def _find_copy(file: HubFile) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(file.repository, file.filename, revision=file.revision)
    return Path(found) if isinstance(found, str) and Path(found).is_file() else None


def _download(file: HubFile, backbone: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(file.repository, file.filename, revision=file.revision))
    except Exception as error:  # the hub's client raises exceptions from several libraries
        check_resources(error)
        revision = "" if file.revision is None else f" at revision {file.revision[:7]}"
        raise BackboneError(
            f"the weights of backbone {backbone} cannot be downloaded from {file.repository}{revision} "
            f"({first_line(error)}): check the network connection, or specify a local state dict (.safetensors or "
            ".pth)",
            parameter="weights",
        ) from error


def _check_content(path: Path, file: HubFile, backbone: str) -> None:
    # The cache names the content of a file by the hub's own hash, and links to it.
    stated = path.resolve().name
    expected = file.sha256 or (stated if _SHA256.fullmatch(stated) else None)
    if expected is None:
        return
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != expected:
        raise BackboneError(
            f"weight file {path} of backbone {backbone} is damaged or was replaced (SHA-256 {actual[:8]}… instead "
            f"of {expected[:8]}…): delete {path.resolve()} to download it again, or specify a local copy",
            path=path,
            parameter="weights",
        )
