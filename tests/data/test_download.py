"""Downloads from a server on this machine: hashes, records, archives, and what is said when something is wrong."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sciflow.core.errors import InputError
from sciflow.data import download as module
from sciflow.data.download import RemoteFile, download, files, hub_file


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server and the folder that it serves."""
    root = tmp_path / "served"
    root.mkdir()
    Quiet.asked.clear()
    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_address[1]}", root
    serving.shutdown()
    serving.server_close()


def archive(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, text in members.items():
            opened.writestr(name, text)
    return stream.getvalue()


@pytest.fixture
def publish(server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Put a file on the server the way the Hub does, with the hash in a listing, and give its name in the table."""
    address, root = server

    def put(content: bytes, oid: str | None = None, path: str = "flow/bc.zip") -> str:
        place = root / "datasets" / "who" / "what" / "resolve" / "main" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        listing = root / "api" / "datasets" / "who" / "what" / "tree" / "main"
        listing.parent.mkdir(parents=True, exist_ok=True)
        entry = {"type": "file", "path": path, "oid": "0" * 40}
        if oid is not None:
            entry["lfs"] = {"oid": oid, "size": len(content)}  # type: ignore[assignment]
        listing.write_text(json.dumps([{"type": "directory", "path": "flow"}, entry]))
        table = type(files)("file to download")
        table.add("flow-bc", hub_file("who/what", path, len(content), "", hub=address))
        monkeypatch.setattr(module, "files", table)
        return "flow-bc"

    return put


def test_the_hash_of_the_hub_is_asked_for_and_kept(publish: Callable[..., str], tmp_path: Path) -> None:
    content = archive({"bc/case0000/case.json": "{}"})
    digest = hashlib.sha256(content).hexdigest()
    seen: list[tuple[int, int]] = []
    got = download(publish(content, digest), tmp_path / "data", progress=lambda *at: seen.append(at))
    assert got == tmp_path / "data" / "flow" / "bc.zip" and got.read_bytes() == content
    assert (got.parent / "bc.zip.sha256").read_text().split() == [digest, "bc.zip"]
    assert (got.parent / "bc" / "case0000" / "case.json").read_text() == "{}"  # unpacked beside itself
    assert seen[-1] == (len(content), len(content))
    # Whole and known: nothing is asked again.
    Quiet.asked.clear()
    download("flow-bc", tmp_path / "data")
    assert Quiet.asked == []


def test_a_changed_release_is_noticed(publish: Callable[..., str], tmp_path: Path) -> None:
    first, second = archive({"a": "1"}), archive({"a": "2"})
    name = publish(first, hashlib.sha256(first).hexdigest())
    path = download(name, tmp_path, unpack=False)
    path.unlink()
    publish(second, hashlib.sha256(second).hexdigest())
    with pytest.raises(InputError, match="does not have the hash .*bc.zip.sha256"):
        download(name, tmp_path)
    assert not path.exists()
    (path.parent / "bc.zip.sha256").unlink()
    assert download(name, tmp_path).read_bytes() == second


def test_damage_on_the_way(publish: Callable[..., str], tmp_path: Path) -> None:
    name = publish(b"half of it", hashlib.sha256(b"half of it and the rest").hexdigest())
    with pytest.raises(InputError, match="damaged or has been changed"):
        download(name, tmp_path / "data")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


def test_hashes_by_hand(server: tuple[str, Path], tmp_path: Path) -> None:
    address, root = server
    (root / "numbers.txt").write_bytes(b"1 2 3")
    digest = hashlib.sha256(b"1 2 3").hexdigest()
    assert download(f"{address}/numbers.txt", tmp_path / "a", sha256=digest.upper()).read_bytes() == b"1 2 3"
    with pytest.raises(InputError, match="no hash to check .*--sha256"):
        download(f"{address}/numbers.txt", tmp_path / "b")
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        download(f"{address}/numbers.txt", tmp_path / "b", sha256="abc")
    with pytest.raises(InputError, match="404"):
        download(f"{address}/letters.txt", tmp_path / "b", sha256=digest)
    with pytest.raises(InputError, match="does not end in the name of a file"):
        download(f"{address}/", tmp_path / "b", sha256=digest)


def test_a_listing_without_the_hash(publish: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gives no hash of flow/bc.zip"):
        download(publish(b"content"), tmp_path / "data")


def test_archives_that_reach_out_or_are_none(publish: Callable[..., str], tmp_path: Path) -> None:
    content = archive({"../../outside.txt": "here"})
    with pytest.raises(InputError, match="outside its folder"):
        download(publish(content, hashlib.sha256(content).hexdigest()), tmp_path / "data")
    assert not (tmp_path / "outside.txt").exists()
    content = b"no archive"
    name = publish(content, hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match="no zip archive"):
        download(name, tmp_path / "other")


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:  # a port that nobody listens on
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    table = type(files)("file to download")
    table.add("gone", hub_file("who/what", "a.zip", 1, "", hub=f"http://127.0.0.1:{port}"))
    table.add("large", RemoteFile(f"http://127.0.0.1:{port}/b.zip", "b.zip", 10**18, sha256="0" * 64))
    monkeypatch.setattr(module, "files", table)
    with pytest.raises(InputError, match=f"127.0.0.1:{port} cannot be reached .*a.zip elsewhere"):
        download("gone", tmp_path)
    with pytest.raises(InputError, match="no room for 1000000000.0 GB"):
        download("large", tmp_path)
    with pytest.raises(InputError, match="no file to download named 'lange'. Did you mean 'large'"):
        download("lange", tmp_path)


def test_the_table_of_the_release() -> None:
    """Names and sizes as published: 14.37e9 bytes in all."""
    entries = [files.get(name) for name in files.names() if name.startswith("cfdbench-")]
    assert sorted(entry.path for entry in entries) == [
        "cavity.zip", "cylinder/bc.zip", "cylinder/geo.zip", "cylinder/prop.zip", "dam.zip", "tube.zip",
    ]  # fmt: skip
    assert sum(entry.size for entry in entries) == pytest.approx(14.37e9, rel=1e-3)
    assert files.get("cfdbench-cylinder-bc").url == (
        "https://huggingface.co/datasets/chen-yingfa/CFDBench/resolve/main/cylinder/bc.zip"
    )
