"""Wrong answers to exercise 01. The format: tests/classroom/test_exercises.py."""

WRONG = [
    (1, "sign", ("return g * (1 - a**2)", "return -g * (1 - a**2)")),
    (1, "forward_value", ("return g * (1 - a**2)", "return g * (1 - np.tanh(a) ** 2)")),
    (1, "cotangent", ("return g * (1 - a**2)", "return 1 - a**2")),
    (1, "shape", ("return g * (1 - a**2)", "return np.sum(g * (1 - a**2))")),
    (1, "none", ("return g * (1 - a**2)", "g * (1 - a**2)")),
    (2, "differs from the measured slope", ("hidden, p - y)", "X @ W1, p - y)")),
    (2, "factor", ("dp = 2 * error / len(error)", "dp = error / len(error)")),
    (2, "factor", ("dp = 2 * error / len(error)", "dp = 2 * error")),
    (2, "transpose", ("dW1 = X.T @ dz1", "dW1 = dz1.T @ X")),
    (2, "type", ("return loss, (X, hidden, p - y)", "return loss")),
    (2, "The loss that forward returns is", ("loss = np.mean((p - y) ** 2)", "loss = np.sum((p - y) ** 2)")),
    (2, "swapped", ("return dW1, dw2", "return dw2, dW1")),
    (3, "overwritten", ("dx = dx + dz @ W.T", "dx = dz @ W.T + 0")),
    (3, "overwritten", ("dx = dx + dz @ W.T", "pass")),
    (3, "modified", ("dx = dx + dz @ W.T", "dx += dz @ W.T")),
    (3, "No known mistake fits", ("dx = dx + dz @ W.T", "dx = dx + dz @ W")),
    (3, "transpose", ("dW = x.T @ dz", "dW = dz.T @ x")),
    (3, "No known mistake fits", ("1 - np.tanh(x @ W) ** 2", "1 - np.tanh(x) ** 2")),
]
