"""Which weighting works, and when: a study anyone can repeat. ``python -m benchmarks.study --help``."""
