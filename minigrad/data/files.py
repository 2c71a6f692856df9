"""Find the files of a data set: in the reader's folder, else in the cache, else on a mirror.

A downloaded file takes its name only when it is whole and its checksum is right; until then it is ``<name>.part``, from
which an interrupted download goes on.
"""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

TIMEOUT = 20.0  # seconds without a byte, after which a mirror is given up
ATTEMPTS = 3  # at one mirror: after a broken connection, or a second start where a resumed file came out wrong
BLOCK = 1 << 16


class DownloadError(OSError):
    """A data set is not on this machine and could not be fetched; the message says what was tried and what to do."""


class File(NamedTuple):
    """One file of a data set, as it is published."""

    folder: str
    """Of the data set, inside MINIGRAD_DATA and inside the cache."""
    name: str
    mirrors: tuple[str, ...]
    """Addresses of folders that hold `name`."""
    md5: str
    digest: Callable[[Path], str]
    """The md5 of what matters in a file; raises ValueError if the file is damaged."""


def find(files: Sequence[File]) -> list[Path]:
    """Where the files are, after a download if need be.

    Parameters
    ----------
    files : sequence of File
        All files of one data set, so that an error can name all that are missing.

    Raises
    ------
    FileNotFoundError
        MINIGRAD_DATA is set but is not a folder.
    DownloadError
        A file is nowhere on this machine, and no mirror gave it; or it cannot be written.
    """
    own = own_folder()
    found = [_on_disk(file, own) for file in files]
    missing = [file for file, path in zip(files, found, strict=True) if path is None]
    for file in missing:
        failures = _download(file, cache_folder() / file.folder / file.name)
        if failures:
            still = [file for file in missing if _on_disk(file, own) is None]
            raise DownloadError(_offline(still, failures, own))
    return [path or cache_folder() / file.folder / file.name for file, path in zip(files, found, strict=True)]


def own_folder() -> Path | None:
    """The folder of data that the reader named in MINIGRAD_DATA."""
    value = os.environ.get("MINIGRAD_DATA")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"MINIGRAD_DATA is {value!r}, which is not a folder; set it to the folder that holds the data, "
            "or unset it to download into the cache"
        )
    return folder


def cache_folder() -> Path:
    """The folder where downloads are kept, by each system's custom."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "minigrad"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path is to be ignored, says the XDG specification: it would mean another folder at each run.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "minigrad"


def md5(content: bytes) -> str:
    """The md5 of bytes, as 32 hexadecimal digits."""
    import hashlib

    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def md5_of_file(path: Path) -> str:
    """The md5 of a file as it is, read in blocks."""
    import hashlib

    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def unzipped(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that may be gzipped, whatever its name says, for reading what is inside.

    Browsers unzip what they download and keep the name, or the other way round: the first bytes decide. Damage that
    gzip finds while the file is read becomes a ValueError.
    """
    import gzip
    import zlib

    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not zipped:
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as inner:
                yield cast(IO[bytes], inner)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged(path, f"its gzip data is cut short or damaged ({error})") from error


def damaged(path: Path, finding: str) -> ValueError:
    """The error for a file whose content is not what it should be."""
    return ValueError(f"{path} cannot be used: {finding}; delete it, and the next call looks for a good one")


# --- What is on this machine


def _on_disk(file: File, own: Path | None) -> Path | None:
    folders = [own / file.folder, own] if own else []
    for folder in [*folders, cache_folder() / file.folder]:
        for name in (file.name, file.name.removesuffix(".gz")):
            if (folder / name).is_file():
                return folder / name
    return None


def _offline(missing: list[File], failures: list[str], own: Path | None) -> str:
    folder = missing[0].folder
    cache = cache_folder() / folder
    looked = [own / folder, own] if own else []
    lines = [
        f"the data set {folder!r} is not on this machine and could not be downloaded.",
        "Looked in" + ("" if own else " (MINIGRAD_DATA is not set)") + ":",
        *(f"  {place}" for place in [*looked, cache]),
        "Tried:",
        *(f"  {failure}" for failure in failures),
        "By hand: fetch, on any machine,",
        *(f"  {file.mirrors[0]}{file.name}" for file in missing),
        f"into {cache}, or into <folder>/{folder} with MINIGRAD_DATA=<folder> in the environment.",
    ]
    return "\n".join(lines)


# --- Download


class _MirrorError(Exception):
    """The network or the mirror, not the disk."""


def _download(file: File, target: Path) -> list[str]:
    """Put a checked file at `target`; else say for each attempt why not."""
    part = target.with_name(target.name + ".part")
    failures = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for mirror in file.mirrors:
            url = mirror + file.name
            for _ in range(ATTEMPTS):
                before = _size(part)
                try:
                    _fetch(url, part)
                except _MirrorError as failure:
                    failures.append(f"{url}: {failure}")
                    if _size(part) > before:
                        continue
                    break
                problem = _problem(file, part)
                if problem is None:
                    os.replace(part, target)
                    return []
                failures.append(f"{url}: {problem}")
                part.unlink()
                if before == 0:
                    break
                # The first half may be from another mirror, which need not zip as this one does: once more, whole.
    except OSError as error:
        raise DownloadError(_unwritable(target, part, error)) from error
    return failures


def _fetch(url: str, part: Path) -> None:
    """Add to `part` what it lacks of `url`."""
    import http.client
    import urllib.error
    import urllib.request

    start = _size(part)
    headers = {"User-Agent": "minigrad", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            return  # nothing follows what is here: it is whole, or of another file; the checksum will tell
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(str(getattr(error, "reason", error)) or type(error).__name__) from error

    with response:
        # A server that knows no ranges answers 200 and sends everything.
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status != 200 and not resumed:
            part.unlink(missing_ok=True)
            raise _MirrorError(f"HTTP {response.status} where 200, or 206 from byte {start} on, was expected")
        received = start if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = received + int(length) if length.isdigit() else None
        name = url.rpartition("/")[2]
        with open(part, "ab" if resumed else "wb") as file, _progress(name, received, total) as update:
            while True:
                try:
                    block = response.read(BLOCK)
                except (OSError, http.client.HTTPException) as error:
                    raise _MirrorError(f"broke off after {received} of {total or '?'} bytes ({error})") from error
                if not block:
                    break
                file.write(block)
                received += len(block)
                update(len(block))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and received < total:
        raise _MirrorError(f"broke off after {received} of {total} bytes")


def _problem(file: File, part: Path) -> str | None:
    try:
        digest = file.digest(part)
    except ValueError as error:
        return f"what came is damaged ({error.__cause__ or error})"
    if digest != file.md5:
        return f"wrong checksum: md5 {digest}, expected {file.md5} ({_size(part)} bytes)"
    return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _unwritable(target: Path, part: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"no space left for {target} after {_size(part)} bytes; free some and call again: what has arrived is "
            f"kept in {part.name}"
        )
    return (
        f"cannot write {target} ({error.strerror or error}); make its folder writable, or put the files of the data "
        f"set into <folder>/{target.parent.name} by hand, with MINIGRAD_DATA=<folder> in the environment"
    )


@contextlib.contextmanager
def _progress(name: str, received: int, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show how a download gets on; yields a function that takes the size of each block."""
    try:
        from tqdm import tqdm  # an extra
    except ImportError:
        line = _Line(name, received, total)
        try:
            yield line.update
        finally:
            line.close()
    else:
        with tqdm(desc=name, initial=received, total=total, unit="B", unit_scale=True) as bar:
            yield bar.update


class _Line:
    """The progress bar of who has no tqdm: one line, rewritten on a terminal, written once elsewhere."""

    def __init__(self, name: str, received: int, total: int | None) -> None:
        self.name, self.received, self.total = name, received, total
        self.shown = time.monotonic()

    def update(self, size: int) -> None:
        self.received += size
        if sys.stderr.isatty() and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            sys.stderr.write(f"\r{self}")
            sys.stderr.flush()

    def close(self) -> None:
        sys.stderr.write(f"\r{self}\n" if sys.stderr.isatty() else f"{self}\n")

    def __str__(self) -> str:
        total = f" of {self.total / 1e6:.1f}" if self.total else ""
        return f"{self.name}: {self.received / 1e6:.1f}{total} MB"
