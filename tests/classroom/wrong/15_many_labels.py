"""Wrong answers to exercise 15. The format: tests/classroom/test_exercises.py."""

BINARY = "return g * w * (sigmoid(z) - t) / z.size"
DP = "dp = -(2 * t * below - above) / below**2 / z.shape[1]"
DZ = "return g * dp * p * (1 - p)"
SUMS = "above, below = 2 * np.sum(p * t, axis=0) + 1, np.sum(p, axis=0) + np.sum(t, axis=0) + 1"
BY_SAMPLE = "above = 2 * np.sum(p * t, axis=1, keepdims=True) + 1\n    below = np.sum(p + t, axis=1, keepdims=True) + 1"

WRONG = [
    (1, "weight_forgotten", (BINARY, "return g * (sigmoid(z) - t) / z.size")),
    (1, "weight_twice", (BINARY, "return g * w**2 * (sigmoid(z) - t) / z.size")),
    (1, "weight_inverse", (BINARY, "return g / w * (sigmoid(z) - t) / z.size")),
    (1, "weight_on_label_only", (BINARY, "return g * (sigmoid(z) - w * t) / z.size")),
    (1, "factor", (BINARY, "return g * w * (sigmoid(z) - t) / len(z)")),
    (1, "factor", (BINARY, "return g * w * (sigmoid(z) - t)")),
    (1, "factor", (BINARY, "return g * w * (sigmoid(z) - t) / len(z) / w.sum()")),
    (1, "sign", (BINARY, "return g * w * (t - sigmoid(z)) / z.size")),
    (1, "sigmoid_factor", (BINARY, "return g * w * (sigmoid(z) - t) * sigmoid(z) * (1 - sigmoid(z)) / z.size")),
    (1, "not_through_softmax", (BINARY, "return g * w * (sigmoid(z) - t) / sigmoid(z) / (1 - sigmoid(z)) / z.size")),
    (
        1,
        "No known mistake fits",
        (BINARY, "p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)\n    return g * w * (p - t) / z.size"),
    ),
    (1, "cotangent", (BINARY, "return w * (sigmoid(z) - t) / z.size")),
    (1, "raised", (BINARY, "return g * w[:, None] * (sigmoid(z) - t) / z.size")),
    (1, "nonfinite", (BINARY, "return g * w * (np.exp(z) / (1 + np.exp(z)) - t) / z.size")),
    (2, "f1_per_sample", (SUMS, BY_SAMPLE)),
    (2, "f1_in_one", (SUMS, "above, below = 2 * np.sum(p * t) + 1, np.sum(p + t) + 1")),
    (2, "not_through_softmax", (DZ, "return g * dp")),
    (2, "sigmoid_factor", (DZ, "return g * dp * (p * (1 - p)) ** 2")),
    (2, "factor", (DP, DP.replace(" / z.shape[1]", ""))),
    (2, "factor", (DP, DP.replace("z.shape[1]", "z.size"))),
    (2, "sign", (DP, DP.replace("-(2", "(2"))),
    (2, "No known mistake fits", (DP, "dp = -2 * t / below / z.shape[1]")),
    (2, "No known mistake fits", (DP, DP.replace("2 * t", "t"))),
    (2, "cotangent", (DZ, "return dp * p * (1 - p)")),
    (2, "shape", (DZ, "return np.sum(g * dp * p * (1 - p), axis=0)")),
    (3, "zero", ("    yes = p\n", "    yes = np.round(p)\n")),
    (3, "zero", ("    yes = p\n", "    yes = p >= 0.3\n")),
    (3, "The loss is", ("    yes = p\n", "    yes = np.where(p > 0.5, p, 0)\n")),
    (3, "The loss is", ("    yes = p\n", "    yes = X @ v\n")),
    (3, "The loss is", ("    yes = p\n", "    return np.mean(np.logaddexp(0, X @ v) - t * (X @ v))\n    yes = p\n")),
    (3, "V after 20 steps", ("v - lr * np.array(slopes)", "v + lr * np.array(slopes)")),
]
