"""A class's marks as a table for spreadsheets, as JUnit XML, and as Gradescope's results.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from .marking import Marks, TaskResult
from .sandbox import printable

COLUMNS = ("student", "exercise", "task", "title", "points", "max_points", "message", "file", "seed")


@dataclass(frozen=True)
class Row:
    """One submission and what it got; `problem` says why it could not be marked, "" if it could."""

    student: str
    file: str
    exercise: str
    marks: Marks
    problem: str = ""


def as_csv(rows: Sequence[Row], seed: int) -> str:
    """A line for each task of each submission, and one more with task "total".

    Texts are quoted, and none begins with what a spreadsheet takes for a formula.
    """
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        for result in row.marks.results:
            points = "" if row.problem else result.points
            about = (result.number, _cell(result.title), points, result.max_points, _cell(_said(result, " ")))
            writer.writerow([_cell(row.student), row.exercise, *about, _cell(row.file), seed])
        total = ("total", "", "" if row.problem else row.marks.points, row.marks.max_points, _cell(row.problem))
        writer.writerow([_cell(row.student), row.exercise, *total, _cell(row.file), seed])
    return file.getvalue()


def _cell(text: str) -> str:
    """Text in one line that a spreadsheet does not run: ``=HYPERLINK(...)`` gets an apostrophe before it."""
    line = printable(" ".join(text.split()))
    return "'" + line if line.startswith(("=", "+", "-", "@")) else line


def _said(result: TaskResult, between: str) -> str:
    return between.join(text for text in (result.message, result.hint) if text)


def as_junit(rows: Sequence[Row]) -> str:
    """A test suite for each submission, a test case for each task."""
    root = ElementTree.Element("testsuites", name="minigrad exercises")
    for row in rows:
        failed = sum(not result.passed for result in row.marks.results)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=printable(f"{row.student} {row.exercise}"),
            tests=str(len(row.marks.results)),
            failures="0" if row.problem else str(failed),
            errors=str(len(row.marks.results)) if row.problem else "0",
            skipped="0",
        )
        for result in row.marks.results:
            name = printable(f"Task {result.number}: {result.title}")
            case = ElementTree.SubElement(suite, "testcase", classname=printable(row.file), name=name)
            if row.problem:
                ElementTree.SubElement(case, "error", message=printable(row.problem))
            elif not result.passed:
                failure = ElementTree.SubElement(case, "failure", message=printable(result.message))
                failure.text = printable(_said(result, "\n"))
            if result.printed:
                ElementTree.SubElement(case, "system-out").text = printable(result.printed)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def as_gradescope(marks: Marks, seed: int) -> dict[str, Any]:
    """What Gradescope reads from results.json: a test for each task, seen by the student."""
    tests = [
        {
            "number": str(result.number),
            "name": f"Task {result.number}: {result.title}",
            "score": result.points,
            "max_score": result.max_points,
            "status": "passed" if result.passed else "failed",
            "output": printable(_said(result, "\n")),
            "output_format": "text",
            "visibility": "visible",
        }
        for result in marks.results
    ]
    return {
        "score": marks.points,
        "output": f"{marks.exercise}: {marks.points} of {marks.max_points} points",
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {"seed": seed},
        "tests": tests,
    }
