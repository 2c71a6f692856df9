"""What the pictures of all lessons share: colours that everyone can tell apart, a plain look, where they are saved."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import matplotlib


def _watched() -> bool:
    """Whether somebody can see a window and close it: a notebook, or a terminal on a machine with a display."""
    if "ipykernel" in sys.modules:
        return True
    display = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    return bool(display) and terminal and "SSH_CONNECTION" not in os.environ


WATCHED = _watched()
if not WATCHED:
    matplotlib.use("Agg")  # draws into files only, so that no run waits for a window that nobody sees

import matplotlib.pyplot as plt  # noqa: E402  (the backend had to be chosen first)

# Okabe & Ito, "Color universal design", 2008. Blue and orange also differ in greyscale; still give each series its
# own marker or line style: print and projectors lose colours.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#777777"

plt.rcParams.update(
    {
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "figure.constrained_layout.use": True,
        "figure.constrained_layout.wspace": 0.08,
        "font.size": 11,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
)


def panels(columns: int = 1, width: float = 4.6, height: float = 3.9) -> tuple[Any, Any]:
    """A figure and its axes in one row: an Axes, or an array of `columns` Axes. Sizes in inches, `width` per panel."""
    return plt.subplots(1, columns, figsize=(width * columns, height))


def save(figure: Any, name: str) -> Path:
    """Save as ``name.png`` in lessons/figures/, or in the folder ``MINIGRAD_FIGURES``; show it if somebody watches."""
    folder = Path(os.environ.get("MINIGRAD_FIGURES") or Path(__file__).resolve().parent / "figures")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    figure.savefig(path)
    print(f"\nPicture saved: {path}")
    if WATCHED and plt.get_backend().lower() != "agg":
        if "ipykernel" not in sys.modules:
            print("(close its window to go on)")
        plt.show()
    plt.close(figure)
    return path
