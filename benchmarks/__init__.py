"""Measurements that others can repeat: each prints the machine, the versions and ratios with their spread.

BLAS runs on one thread unless the environment says otherwise: the steadiest way to compare. The variables work only if
they are set before NumPy is loaded, hence here.
"""

import os

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

for variable in THREAD_VARIABLES:
    os.environ.setdefault(variable, "1")
