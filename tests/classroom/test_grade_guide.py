"""The teacher's guide names commands and files that exist."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from minigrad.classroom import cli, records
from minigrad.classroom.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^minigrad exercises\b(.*)$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_has_these_options(command):
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    parser.parse_args(shlex.split(command, comments=True))


def test_the_guide_shows_every_subcommand():
    assert {command.split()[0] for command in COMMANDS} >= {"build", "check", "grade", "gradescope"}


def test_the_guide_names_the_defaults_and_files():
    assert f"`--timeout` seconds ({Limits().seconds:g}) and `--memory` MB ({Limits().memory >> 20})" in GUIDE
    assert f"`class/{records.NAME}`" in GUIDE
    for path in re.findall(r"`(lessons/[\w/.]+)`", GUIDE):
        assert (ROOT / path).exists()
