"""Fetching published data: every file is checked against a SHA-256 hash.

Where the hash comes from, in this order: what the caller gives; what the entry of `files` says; the record
``FILE.sha256`` of an earlier download of the same file; the hash that the Hub of Hugging Face publishes for the file at
the moment of the download. The last one tells a damaged download from a whole one, but not a release that has been
changed, so it is written down beside the file and asked for from then on. No entry here carries a hash of its own: the
release publishes none but those of the Hub.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final
from urllib.parse import quote, urlsplit

from sciflow.core.errors import InputError, UnknownNameError
from sciflow.core.files import require_writable
from sciflow.core.registry import Registry

HUB = "https://huggingface.co"
SECONDS = 30.0  # without an answer
_SHA256 = re.compile(r"[0-9a-f]{64}")


@final
@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        url: where it is.
        path: where it goes below the folder of the download.
        size: about how many bytes it has; 0 if that is not known.
        sha256: its hash; "" if only the Hub knows.
        listing: address of a listing of the Hub in which the file is found under `path`, "" for none.
        licence: as its publisher states it.
    """

    url: str
    path: str
    size: int = 0
    sha256: str = ""
    listing: str = ""
    licence: str = ""


def hub_file(repository: str, path: str, size: int, licence: str, hub: str = HUB) -> RemoteFile:
    """A file of a data set on the Hub of Hugging Face."""
    url = f"{hub}/datasets/{repository}/resolve/main/{quote(path)}"
    listing = f"{hub}/api/datasets/{repository}/tree/main?recursive=true"
    return RemoteFile(url, path, size, listing=listing, licence=licence)


files: Registry[RemoteFile] = Registry("file to download", "sciflow.downloads")
for _path, _size in {
    "cavity.zip": 786_000_000,
    "tube.zip": 213_000_000,
    "dam.zip": 1_350_000_000,
    "cylinder/bc.zip": 2_940_000_000,
    "cylinder/geo.zip": 2_410_000_000,
    "cylinder/prop.zip": 6_670_000_000,
}.items():
    _name = f"cfdbench-{_path.removesuffix('.zip').replace('/', '-')}"
    files.add(
        _name,
        hub_file("chen-yingfa/CFDBench", _path, _size, "Apache-2.0"),
        summary=f"CFDBench {_path}, {_size / 1e9:.2f} GB, Apache-2.0",
    )


def download(
    name: str,
    folder: str | Path,
    *,
    sha256: str | None = None,
    unpack: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Fetch a file, check its hash, and unpack it if it is a zip archive.

    A file that is there with the right hash is not fetched again.

    Args:
        name: a name of `files`, or the address (http, https) of a file, whose hash must then be given.
        folder: where it goes; an archive is unpacked beside itself.
        sha256: the hash to ask for, 64 hexadecimal digits; see above where it comes from otherwise.
        unpack: unpack archives.
        progress: called with (bytes done, bytes in all).

    Returns:
        The file.

    Raises:
        InputError: the name is unknown, there is no hash to check against, the network or the server does not answer,
            the hash does not fit, or the disk has too little room.

    Example:
        >>> download("cfdbench-cavity", "data")  # doctest: +SKIP
    """
    wanted = _named(name)
    target = Path(folder).absolute() / wanted.path
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise InputError(f"The hash {sha256!r} is no SHA-256 hash; expected 64 hexadecimal digits.")
    require_writable(target.parent)
    record = target.with_name(f"{target.name}.sha256")
    noted = record.read_text().split()[0] if record.is_file() and record.read_text().strip() else ""
    known = (sha256 or "").lower() or wanted.sha256 or noted or _published(wanted, name)
    _fetch(wanted, target, known, progress)
    record.write_text(f"{known}  {target.name}\n")
    if unpack and target.suffix == ".zip":
        _unpack(target)
    return target


def _named(name: str) -> RemoteFile:
    if urlsplit(name).scheme in ("http", "https"):
        path = Path(urlsplit(name).path).name
        if not path:
            raise InputError(f"The address {name} does not end in the name of a file.")
        return RemoteFile(name, path)
    try:
        return files.get(name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{error} An address (https://...) does as well.") from error


def _published(wanted: RemoteFile, name: str) -> str:
    """The hash in the Hub's listing, which is that of the file's content."""
    import requests

    if not wanted.listing:
        raise InputError(f"There is no hash to check {name} against; give it by sha256 (--sha256).")
    address: str | None = wanted.listing
    while address:
        with _explained(address, wanted):
            answer = requests.get(address, timeout=SECONDS)
            answer.raise_for_status()
            entries = answer.json()
        for entry in entries:
            oid = str((entry.get("lfs") or {}).get("oid", "")).removeprefix("sha256:")
            if entry.get("path") == wanted.path and _SHA256.fullmatch(oid):
                return oid
        address = answer.links.get("next", {}).get("url")  # long listings come in pages
    raise InputError(f"The listing {wanted.listing} gives no hash of {wanted.path}; give it by sha256 (--sha256).")


def _fetch(wanted: RemoteFile, target: Path, known: str, progress: Callable[[int, int], None] | None) -> None:
    import pooch

    if not target.exists() and shutil.disk_usage(target.parent).free < wanted.size:
        raise InputError(f"{target.parent} has no room for {wanted.size / 1e9:.1f} GB; free some or choose another.")
    bar = _Bar(progress) if progress is not None else False
    fetcher = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**20, timeout=SECONDS)
    pooch.get_logger().setLevel("WARNING")
    with _explained(wanted.url, wanted):
        try:
            pooch.retrieve(
                wanted.url, known_hash=f"sha256:{known}", fname=target.name, path=target.parent, downloader=fetcher
            )
        except ValueError as error:
            if "hash" not in str(error).lower():
                raise
            raise InputError(
                f"The file from {wanted.url} does not have the hash {known}: it is damaged or has been changed. Try "
                f"again; if you know that the new one is right, give its hash or remove {target.name}.sha256."
            ) from error


@final
class _Bar:
    """What pooch expects of a progress bar, as calls of a function."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress, self._done = progress, 0
        self.total = 0

    def update(self, size: int) -> None:
        self._done += size
        self._progress(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Nothing to do: the caller owns what is shown."""


@contextmanager
def _explained(address: str, wanted: RemoteFile) -> Iterator[None]:
    """Turn errors of the network into one sentence."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        status = "" if error.response is None else f"{error.response.status_code} {error.response.reason}"
        raise InputError(f"The server answers {status} for {address}; check the address.") from error
    except requests.RequestException as error:
        raise InputError(
            f"{urlsplit(address).netloc} cannot be reached ({type(error).__name__}). Check the network, or fetch "
            f"{wanted.url} elsewhere, unpack it and import it."
        ) from error


def _unpack(archive: Path) -> None:
    """Unpack beside the archive; members that would lie elsewhere are refused."""
    import zipfile

    try:
        with zipfile.ZipFile(archive) as opened:
            root = archive.parent.resolve()
            for member in opened.infolist():
                if not (root / member.filename).resolve().is_relative_to(root):
                    raise InputError(f"The archive {archive} holds {member.filename}, which lies outside its folder.")
            room = shutil.disk_usage(root).free
            size = sum(member.file_size for member in opened.infolist())
            if room < size:
                raise InputError(f"{root} has no room for the {size / 1e9:.1f} GB in {archive.name}; free some.")
            opened.extractall(root)
    except zipfile.BadZipFile as error:
        raise InputError(f"The file {archive} is no zip archive; give --no-unpack to keep it as it is.") from error
