"""The same training step in minigrad, in hand-written NumPy and in the libraries of others.

Each maker takes a problem and returns the step, a function of nothing, and a function that gives the parameters.
"""
