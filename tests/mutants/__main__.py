"""``python -m tests.mutants``: the table of mistakes. ``--false-alarms``: right gradients that are called wrong."""

import argparse
import sys

from .bank import mutants
from .exam import enough, examine, table
from .right import false_alarms


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--false-alarms", action="store_true", help="check right gradients instead")
    parser.add_argument("--count", type=int, default=1000, help="how many right gradients (default 1000)")
    parser.add_argument("--seed", type=int, default=0, help="other numbers for the same mistakes")
    options = parser.parse_args(arguments)
    if options.false_alarms:
        checked, alarms = false_alarms(options.count)
        print(f"{checked} right gradients checked, {len(alarms)} called wrong")
        for name, report in alarms:
            print(f"\n{name}\n{report}")
        return int(bool(alarms))
    verdicts = [examine(mutant) for mutant in mutants(options.seed)]
    print(table(verdicts))
    return int(not enough(verdicts))


if __name__ == "__main__":
    sys.exit(main())
