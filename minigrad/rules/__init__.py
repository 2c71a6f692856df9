"""The derivatives of NumPy's functions, by family. Importing this package registers them.

To add one: write ``rule(np.f, lambda g, y, x: ...)`` beside its relatives (mg.rule says what the parameters are), or a
``@composite(np.f)`` where the function is built of others; then add a line to the table in
tests/rules/specifications.py.
"""

from . import elementwise, indexing, linear_algebra, plain, reductions, shapes

__all__ = ["elementwise", "indexing", "linear_algebra", "plain", "reductions", "shapes"]
