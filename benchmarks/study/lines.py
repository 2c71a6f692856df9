"""A file with a line of JSON for each run: what is there is not run again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import machine


@cache
def made_with() -> str:
    """What rounds: another BLAS adds up in another order, and a long training amplifies the difference."""
    return f"numpy {np.__version__}, {machine.blas() or 'BLAS unknown'}"


class Lines:
    """The records of `path`, by their settings. A last line that a crash has cut is dropped, and run again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                self.records.append(json.loads(line))
            except ValueError as error:
                raise SystemExit(f"study: line {number} of {path} is not JSON ({error}): remove it") from error
        if whole != text:
            path.write_text(whole, encoding="utf-8")

    def get(self, setting: Any, run: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The record of this setting, run now if there is none."""
        wanted = asdict(setting)
        for record in self.records:
            if all(record.get(name) == value for name, value in wanted.items()):
                return record
        record = run(setting) | {"made_with": made_with()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.records.append(record)
        return record

    def record(self, number: int) -> dict[str, Any]:
        """Line `number`, from 1."""
        if not 1 <= number <= len(self.records):
            raise SystemExit(f"study: there is no line {number} in {self.path}, which has {len(self.records)}")
        return self.records[number - 1]
