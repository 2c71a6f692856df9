"""Wrong answers to exercise 02. The format: tests/classroom/test_exercises.py."""

WRONG = [
    (1, "factor", ("/ (2 * h)", "/ h")),
    (1, "sign", ("f(x + step) - f(x - step)", "f(x - step) - f(x + step)")),
    (1, "The numeric gradient of cubes", ("(f(x + step) - f(x - step)) / (2 * h)", "(f(x + step) - f(x)) / h")),
    (1, "shape", ("    return gradient\n", "    return gradient.ravel()\n")),
    (1, "none", ("    return gradient\n", "")),
    (
        1,
        "modified",
        """
def numeric_gradient(f, x, h):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += h
        above = f(x)
        x[index] -= 2 * h
        gradient[index] = (above - f(x)) / (2 * h)
    return gradient
""",
    ),
    (2, "small: rounding", ("h_float64 = 6e-6", "h_float64 = 1e-12")),
    (2, "large: the formula's own error", ("h_float32 = 5e-3", "h_float32 = 0.5")),
    (2, "a step is positive", ("h_float32 = 5e-3", "h_float32 = 0")),
    (2, "should be a number", ("h_float32 = 5e-3", "h_float32 = 'small'")),
    (3, "sign", ("return dz, -dz", "return dz, dz")),
    (3, "factor", ("np.tanh(z - y) / len(z)", "np.tanh(z - y)")),
    (3, "count", ("return dz, -dz", "return dz")),
    (3, "cotangent", ("dz = g * np.tanh", "dz = np.tanh")),
    (4, "The verdict on", ("& (claimed <= np.maximum(left, right) + tolerance)", "& (claimed > left + right)")),
    (4, "The verdict at a kink", ("np.maximum(left, right)", "right")),
    (4, "The verdict at a kink", ("np.minimum(left, right)", "left")),
    (4, "The verdict on", ("- tolerance) & (", "+ tolerance) & (")),
]
