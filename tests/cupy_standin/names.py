"""Write names.json: what CuPy has under NumPy's names. Needs CuPy, no GPU: python tests/cupy_standin/names.py"""

import inspect
import json
from pathlib import Path

import numpy as np


def parameters(function):
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def known():
    import cupy

    rooms = {
        "": (cupy, np),
        "linalg.": (cupy.linalg, np.linalg),
        "lib.stride_tricks.": (cupy.lib.stride_tricks, np.lib.stride_tricks),
    }
    functions, ufuncs = {}, []
    for prefix, (theirs, numpys) in rooms.items():
        for name in sorted(set(dir(theirs)) & set(dir(numpys))):
            function = getattr(theirs, name)
            if name.startswith("_") or not callable(function) or isinstance(function, type):
                continue
            if isinstance(function, type(cupy.add)):
                ufuncs.append(prefix + name)
            elif name == "size" or parameters(function) is not None:
                functions[prefix + name] = parameters(function)
    methods = [name for name in sorted(dir(cupy.ndarray)) if hasattr(np.ndarray, name)]
    return {"cupy": cupy.__version__, "functions": functions, "ufuncs": ufuncs, "ndarray": methods}


if __name__ == "__main__":
    lines = json.dumps(known(), indent=1).replace(",\n   ", ", ").replace("[\n   ", "[").replace("\n  ]", "]")
    Path(__file__).with_name("names.json").write_text(lines + "\n")
