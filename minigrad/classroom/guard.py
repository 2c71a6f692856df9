"""A net under the sandbox, for systems that do not keep a process in: what files were before a student's code ran."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path


class Guard:
    """Remembers files, to see which were changed or removed, and to put them back.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.py")
    ...     _ = path.write_text("x = 1")
    ...     guard = Guard([path])
    ...     path.unlink()
    ...     [p.name for p in guard.restore()], path.read_text()
    (['a.py'], 'x = 1')
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._contents = {path: path.read_bytes() for path in paths if path.is_file()}
        self._stamps = {path: self._stamp(path) for path in self._contents}

    def digest(self) -> str:
        """SHA-256 of all contents, in the order in which the files were given."""
        digests = [hashlib.sha256(content).digest() for content in self._contents.values()]
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def changed(self) -> list[Path]:
        """The files that are not as they were."""
        found = []
        for path, stamp in self._stamps.items():
            if self._stamp(path) != stamp and not (path.is_file() and path.read_bytes() == self._contents[path]):
                found.append(path)
        return found

    def restore(self) -> list[Path]:
        """Put the changed files back; what was found in a file's place is kept beside it, as ``NAME.changed``."""
        changed = self.changed()
        for path in changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                path.replace(path.with_name(f"{path.name}.changed"))
            path.write_bytes(self._contents[path])
        return changed

    @staticmethod
    def _stamp(path: Path) -> tuple[int, int, int] | None:
        with contextlib.suppress(OSError):
            status = path.stat()
            return status.st_mtime_ns, status.st_ctime_ns, status.st_size
        return None
