"""What somebody who waits sees, and how they can end it."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any


class Progress:
    """A tqdm bar over all batches of the run, with loss and metrics; a line per epoch without tqdm or a terminal.

    Both on the standard error stream, so that the program's own output stays apart.
    """

    def __init__(self, wanted: bool, epochs: int, batches: int, done: int) -> None:
        self.wanted, self.epochs = wanted, epochs
        self.bar: Any = None
        if wanted and (sys.stderr.isatty() or "ipykernel" in sys.modules):
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=epochs * batches, initial=done, unit=" batches", mininterval=0.2)
        self.measured: dict[str, str] = {}

    def batch(self, epoch: int, loss: float) -> None:
        """One more batch is done; `loss` is the epoch's so far."""
        if self.bar is not None:
            self.bar.set_description(f"epoch {epoch}/{self.epochs}", refresh=False)
            self.bar.set_postfix({"loss": f"{loss:.4g}", **self.measured}, refresh=False)
            self.bar.update()

    def epoch(self, epoch: int, record: dict[str, Any]) -> None:
        """An epoch is done."""
        numbers = {name: f"{value:.4g}" for name, value in record.items() if isinstance(value, (int, float))}
        if self.bar is not None:
            self.measured = {name: value for name, value in numbers.items() if name != "loss"}
        elif self.wanted:
            print(
                f"epoch {epoch}/{self.epochs}: " + ", ".join(f"{name} {value}" for name, value in numbers.items()),
                file=sys.stderr,
            )

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.bar is not None:
            self.bar.write(text, file=sys.stderr)
        elif self.wanted:
            print(text, file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class CtrlC:
    """Within, the first Ctrl-C only sets `asked`, so that a step is never cut in two; the second one stops at once.

    Does nothing outside the main thread, or where somebody handles Ctrl-C already.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> CtrlC:
        main = threading.current_thread() is threading.main_thread()
        self.ours = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.ours:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_: Any) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("\nstopping after this batch (Ctrl-C again stops at once)", file=sys.stderr)

    def __exit__(self, *_: Any) -> None:
        if self.ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
