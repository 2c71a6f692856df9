"""Marks on disk while a class is graded, so that a run that was cut off goes on where it was.

A line of JSON for each submission, appended whole and then forced to the disk. A line with a seed begins each run.
What a kill leaves at the end of the file, part of a line, is cut off at the next start.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

NAME = ".minigrad-grades.jsonl"


class Records:
    """The marks that are known already, by key.

    Parameters
    ----------
    path : Path
        Is made where it is missing.
    seed : int, optional
        Of this run. Default: that of the last run, so that the run goes on; a fresh one if there was none.
    """

    def __init__(self, path: Path, seed: int | None = None) -> None:
        self.path = path
        self.marks: dict[str, Any] = {}
        last = None
        whole = path.read_bytes() if path.exists() else b""
        whole = whole[: whole.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                if "seed" in record:
                    last = int(record["seed"])
                else:
                    self.marks[record["key"]] = record["marks"]
            except (ValueError, TypeError, KeyError):
                continue  # somebody edited the file: what cannot be read is graded again
        if path.exists():
            os.truncate(path, len(whole))
        self.seed = seed if seed is not None else last if last is not None else secrets.randbelow(2**31)
        if self.seed != last:
            self._append({"seed": self.seed})

    def add(self, key: str, marks: dict[str, Any]) -> None:
        self.marks[key] = marks
        self._append({"key": key, "marks": marks})

    def _append(self, record: dict[str, Any]) -> None:
        with open(self.path, "ab", buffering=0) as file:
            file.write(json.dumps(record).encode() + b"\n")
            os.fsync(file.fileno())
