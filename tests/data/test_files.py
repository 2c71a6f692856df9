"""Downloads, against a mirror in a thread of this process: there is no network in a test."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import io
import os
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from minigrad.data import DownloadError, files, images

CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Mirror(http.server.ThreadingHTTPServer):
    """Serves `content` under every name; the attributes make it a bad one."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True  # whether it knows the Range header
        self.status = None  # an error code that it answers with
        self.cuts = []  # of each request in turn, the number of bytes after which it hangs up
        self.length = True  # whether it says how much will come
        self.offset = 0  # by which it answers a range wrongly
        self.asked = []  # the Range of each request
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self):
        mirror = self.server
        asked = self.headers.get("Range")
        mirror.asked.append(asked)
        if mirror.status:
            self.send_error(mirror.status)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and mirror.ranges else 0
        if asked and mirror.ranges and start >= len(mirror.content):
            self.send_error(416)
            return
        self.send_response(206 if asked and mirror.ranges else 200)
        body = mirror.content[start:]
        if mirror.length:
            self.send_header("Content-Length", str(len(body)))
        if asked and mirror.ranges:
            first = start + mirror.offset
            self.send_header("Content-Range", f"bytes {first}-{len(mirror.content) - 1}/{len(mirror.content)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[: mirror.cuts.pop(0) if mirror.cuts else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def mirrors():
    started = [Mirror(), Mirror()]
    threads = [threading.Thread(target=mirror.serve_forever, args=(0.01,)) for mirror in started]
    for thread in threads:
        thread.start()
    yield started
    for mirror, thread in zip(started, threads, strict=True):
        mirror.shutdown()
        thread.join()
        mirror.server_close()


@pytest.fixture
def mirror(mirrors):
    return mirrors[0]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no MINIGRAD_DATA, no proxy between the test and its mirror."""
    monkeypatch.delenv("MINIGRAD_DATA", raising=False)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(files, "TIMEOUT", 5.0)
    return tmp_path / "cache" / "minigrad" / "set"


def file_of(*urls, name="data.bin", md5=MD5, digest=files.md5_of_file):
    return files.File("set", name, urls, md5, digest)


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# --- What is here already


@pytest.mark.parametrize("place", ["own/set/data.bin.gz", "own/data.bin.gz", "own/set/data.bin", "own/data.bin"])
def test_the_folder_of_the_reader_is_first(place, tmp_path, cache, monkeypatch):
    for path in tmp_path / place, cache / "data.bin.gz":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"any")
    assert files.find([file_of(name="data.bin.gz")]) == [cache / "data.bin.gz"]
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path / "own"))
    assert files.find([file_of(name="data.bin.gz")]) == [tmp_path / place]


def test_what_the_folder_lacks_comes_from_the_cache_and_then_from_the_mirror(tmp_path, cache, mirror, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    cache.mkdir(parents=True)
    (cache / "b").write_bytes(b"any")
    (tmp_path / "a").write_bytes(b"any")
    three = [file_of(mirror.url, name=name) for name in "abc"]
    assert files.find(three) == [tmp_path / "a", cache / "b", cache / "c"]
    assert (cache / "c").read_bytes() == CONTENT
    assert len(mirror.asked) == 1


def test_a_folder_that_is_none_is_an_error_and_not_a_download(tmp_path, mirror, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path / "typo"))
    with pytest.raises(
        FileNotFoundError, match=r"MINIGRAD_DATA is '.*typo', which is not a folder; set it .* or unset"
    ):
        files.find([file_of(mirror.url)])
    assert mirror.asked == []


def test_home_is_understood_in_the_name_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MINIGRAD_DATA", "~")
    assert files.own_folder() == tmp_path


@pytest.mark.skipif(os.name == "nt", reason="XDG is not Windows' custom")
@pytest.mark.parametrize("value", [None, "", "relative/path"])
def test_the_cache_is_in_the_home_folder_unless_xdg_names_a_place(value, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME")
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert files.cache_folder() == tmp_path / ".cache" / "minigrad"


def test_the_cache_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "os", type("os", (), {"name": "nt", "environ": os.environ}))
    assert files.cache_folder() == tmp_path / "cache" / "minigrad"
    monkeypatch.delenv("LOCALAPPDATA")
    assert files.cache_folder() == Path.home() / "AppData" / "Local" / "minigrad"


# --- Download


def test_a_download_is_whole_and_leaves_nothing_else(cache, mirror):
    (path,) = files.find([file_of(mirror.url)])
    assert path == cache / "data.bin"
    assert path.read_bytes() == CONTENT
    assert names(cache) == ["data.bin"]
    assert files.find([file_of(mirror.url)]) == [path]
    assert mirror.asked == [None]  # once


def test_a_broken_connection_is_resumed_at_once(cache, mirror):
    mirror.cuts = [100_000]
    files.find([file_of(mirror.url)])
    assert (cache / "data.bin").read_bytes() == CONTENT
    assert mirror.asked[0] is None
    assert 0 < int(mirror.asked[1].removeprefix("bytes=").removesuffix("-")) <= 100_000


def test_a_mirror_that_breaks_off_again_and_again_is_left_for_the_next(cache, mirrors):
    mirrors[0].cuts = [100_000, 70_000, 70_000]
    files.find([file_of(mirrors[0].url, mirrors[1].url)])
    assert (cache / "data.bin").read_bytes() == CONTENT
    assert [len(mirror.asked) for mirror in mirrors] == [files.ATTEMPTS, 1]
    assert mirrors[1].asked != [None]  # it went on where the first one stopped


def test_what_came_before_an_error_is_resumed_by_the_next_call(cache, mirror):
    mirror.cuts = [90_000, 0]
    with pytest.raises(DownloadError, match=r"broke off after \d+ of 300000 bytes"):
        files.find([file_of(mirror.url)])
    assert names(cache) == ["data.bin.part"]
    files.find([file_of(mirror.url)])
    assert names(cache) == ["data.bin"]
    assert (cache / "data.bin").read_bytes() == CONTENT
    assert mirror.asked[1] == mirror.asked[2]
    assert mirror.asked[2].startswith("bytes=")


def test_ctrl_c_keeps_what_came(cache, mirror, monkeypatch):
    @contextlib.contextmanager
    def impatient(*_):
        def update(_):
            raise KeyboardInterrupt

        yield update

    with monkeypatch.context() as patch:
        patch.setattr(files, "_progress", impatient)
        with pytest.raises(KeyboardInterrupt):
            files.find([file_of(mirror.url)])
    assert names(cache) == ["data.bin.part"]
    assert files.find([file_of(mirror.url)]) == [cache / "data.bin"]
    assert mirror.asked == [None, f"bytes={files.BLOCK}-"]
    assert (cache / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("settings", "part", "requests"),
    [
        ({"ranges": False}, CONTENT[:1000], 1),  # everything comes again, and nothing twice
        ({"length": False}, b"", 1),
        ({"length": False}, CONTENT[:1000], 1),
        ({}, CONTENT, 1),  # it was whole already: 416
        ({}, CONTENT + b"more", 2),  # 416 as well, then once more from the start
        ({}, b"of another file" * 9, 2),
        ({"offset": 1}, CONTENT[:1000], 1),  # 206, but of other bytes: the next mirror gives the file
    ],
)
def test_whatever_part_lies_there_the_file_comes_out_right(settings, part, requests, cache, mirrors):
    for name, value in settings.items():
        setattr(mirrors[0], name, value)
    cache.mkdir(parents=True)
    (cache / "data.bin.part").write_bytes(part)
    files.find([file_of(mirrors[0].url, mirrors[1].url)])
    assert (cache / "data.bin").read_bytes() == CONTENT
    assert names(cache) == ["data.bin"]
    assert len(mirrors[0].asked) == requests


@pytest.mark.parametrize(
    ("settings", "message", "left"),
    [
        ({"status": 404}, r"data\.bin: HTTP 404 Not Found", []),
        ({"status": 503}, r"data\.bin: HTTP 503 Service Unavailable", []),
        ({"content": b"<html>"}, rf"wrong checksum: md5 \w{{32}}, expected {MD5} \(6 bytes\)", []),
        ({"cuts": [5000, 0], "length": False}, rf"wrong checksum: .*, expected {MD5} \(5000 bytes\)", []),
        ({"cuts": [5000, 0]}, r"broke off after 5000 of 300000 bytes", ["data.bin.part"]),
    ],
)
def test_the_next_mirror_is_asked_and_if_there_is_none_the_error_says_why(settings, message, left, cache, mirrors):
    for name, value in settings.items():
        setattr(mirrors[0], name, list(value) if name == "cuts" else value)
    with pytest.raises(DownloadError, match=message):
        files.find([file_of(mirrors[0].url)])
    assert names(cache) == left
    for name, value in settings.items():
        setattr(mirrors[0], name, value)
    files.find([file_of(mirrors[0].url, mirrors[1].url)])
    assert (cache / "data.bin").read_bytes() == CONTENT


def test_a_damaged_gzip_file_is_refused_and_one_that_is_zipped_otherwise_is_not(cache, mirrors):
    mirrors[0].content = gzip.compress(CONTENT)[:-30]
    file = file_of(mirrors[0].url, name="data.bin.gz", digest=images._md5_of_content)
    with pytest.raises(DownloadError, match=r"data\.bin\.gz: what came is damaged \(Compressed file ended before"):
        files.find([file])
    assert names(cache) == []
    mirrors[1].content = gzip.compress(CONTENT, 1, mtime=7)  # not the bytes of the first mirror
    files.find([file._replace(mirrors=(mirrors[0].url, mirrors[1].url))])
    assert gzip.decompress((cache / "data.bin.gz").read_bytes()) == CONTENT


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_offline_says_what_was_tried_and_where_each_file_belongs(cache, tmp_path, monkeypatch):
    urls = [f"http://127.0.0.1:{closed_port()}/", "http://127.0.0.1:1/"]
    cache.mkdir(parents=True)
    (cache / "b").write_bytes(b"any")
    three = [file_of(*urls, name=name) for name in "abc"]
    with pytest.raises(DownloadError) as caught:
        files.find(three)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the data set 'set' is not on this machine and could not be downloaded."
    assert lines[1:3] == ["Looked in (MINIGRAD_DATA is not set):", f"  {cache}"]
    assert lines[3] == "Tried:"
    for line, url in zip(lines[4:6], urls, strict=True):
        assert line.startswith(f"  {url}a: ")
        assert "refused" in line
    assert lines[6:9] == ["By hand: fetch, on any machine,", f"  {urls[0]}a", f"  {urls[0]}c"]
    assert lines[9] == f"into {cache}, or into <folder>/set with MINIGRAD_DATA=<folder> in the environment."
    assert len(lines) == 10
    assert isinstance(caught.value, OSError)
    assert names(cache) == ["b"]

    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    with pytest.raises(DownloadError) as caught:
        files.find(three)
    assert str(caught.value).splitlines()[1:5] == ["Looked in:", f"  {tmp_path / 'set'}", f"  {tmp_path}", f"  {cache}"]


def test_a_mirror_that_falls_silent_is_given_up(cache, monkeypatch):
    monkeypatch.setattr(files, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(DownloadError, match=r"data\.bin: timed out"):
            files.find([file_of(url)])
    assert names(cache) == []


# --- The disk


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"no space left for .*data\.bin after 300000 bytes; free some .* is kept in data\.bin\.part"),
        (errno.EIO, r"cannot write .*data\.bin \(.*\); make its folder writable, or put .* into <folder>/set by hand"),
    ],
)
def test_a_disk_that_fails(number, message, cache, mirrors, monkeypatch):
    def fail(_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(DownloadError, match=message):
            files.find([file_of(mirrors[0].url, mirrors[1].url)])
    assert names(cache) == ["data.bin.part"]
    assert mirrors[1].asked == []  # another mirror would not help


def test_a_cache_that_cannot_be_made(cache, mirror):
    cache.parent.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(DownloadError, match=r"cannot write .*data\.bin \(.*\); make its folder writable"):
        files.find([file_of(mirror.url)])


# --- Progress


def test_progress_with_tqdm(mirror, capsys):
    pytest.importorskip("tqdm")
    files.find([file_of(mirror.url)])
    assert "data.bin: 100%" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stderr", "length", "shown"),
    [
        (io.StringIO, True, "data.bin: 0.3 of 0.3 MB\n"),
        (io.StringIO, False, "data.bin: 0.3 MB\n"),
        (Terminal, True, "\rdata.bin: 0.1 of 0.3 MB\rdata.bin: 0.1 of 0.3 MB\rdata.bin: 0.2 of 0.3 MB"),
    ],
)
def test_progress_without_tqdm(stderr, length, shown, monkeypatch):
    seconds = iter(range(100))
    monkeypatch.setattr(files.time, "monotonic", lambda: next(seconds))
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", stderr())
    # Not through find(): the clock of the whole process is ours meanwhile.
    with files._progress("data.bin", 0, 300_000 if length else None) as update:
        for _ in range(5):
            update(60_000)
    assert sys.stderr.getvalue().startswith(shown)
    assert sys.stderr.getvalue().endswith("\n")
