"""Wrong answers to exercise 11. The format: tests/classroom/test_exercises.py."""

LOSS = "return np.mean(w * modulator * -log_sigmoid(m))"
FACTOR = "modulator = np.exp(gamma * log_sigmoid(-m))"
SLOPE = "slope = gamma * q * modulator * log_sigmoid(m) - modulator * np.exp(log_sigmoid(-m))"
RETURN = "return g * w * sign * slope / len(z)"
SCORE = "return X @ v"

WRONG = [
    (1, "sign", (LOSS, "return np.mean(w * modulator * log_sigmoid(m))")),
    (1, "The loss for gamma = 0 is", (LOSS, "return np.sum(w * modulator * -log_sigmoid(m))")),
    (1, "The loss for gamma = 0 is", (LOSS, "return np.sum(w * modulator * -log_sigmoid(m)) / np.sum(w)")),
    (1, "The loss for gamma = 0 is", (LOSS, "return np.mean(modulator * -log_sigmoid(m))")),
    (1, "The loss for gamma = 0.5 is", (FACTOR, "modulator = np.exp(gamma * log_sigmoid(m))")),
    (
        1,
        "The loss for gamma = 0.5 is",
        (LOSS, "return np.mean((w * np.exp(log_sigmoid(-m))) ** gamma * w ** (gamma == 0) * -log_sigmoid(m))"),
    ),
    (1, "The loss for gamma = 0 is", ("    m = np.where(t == 1, z, -z)\n", "    m = z\n")),
    (1, "shape", (LOSS, "return w * modulator * -log_sigmoid(m)")),
    (1, "nonfinite", (LOSS, "return np.mean(w * modulator * -np.log(1 / (1 + np.exp(-m))))")),
    (2, "modulator_constant", (SLOPE, "slope = -modulator * np.exp(log_sigmoid(-m))")),
    (2, "weight_inside_modulator", (RETURN, "return g * w**gamma * sign * slope / len(z)")),
    (2, "not_through_softmax", (SLOPE, "slope = gamma * modulator / (1 - q) * log_sigmoid(m) - modulator / q")),
    (2, "factor", (RETURN, "return 2 * g * w * sign * slope / len(z)")),
    (2, "factor", (RETURN, "return g * w * sign * slope")),
    (2, "factor", (RETURN, "return g * w * sign * slope / w.sum()")),
    (2, "sign", (RETURN, "return -g * w * sign * slope / len(z)")),
    (2, "cotangent", (RETURN, "return w * sign * slope / len(z)")),
    (2, "weight_forgotten", (RETURN, "return g * sign * slope / len(z)")),
    (2, "weight_twice", (RETURN, "return g * w**2 * sign * slope / len(z)")),
    (2, "shape", (RETURN, "return np.sum(g * w * sign * slope / len(z))")),
    (2, "No known mistake fits", (RETURN, "return g * w * slope / len(z)")),
    (2, "No known mistake fits", (SLOPE, "slope = gamma * q * modulator * log_sigmoid(m)")),
    (2, "No known mistake fits", (SLOPE, SLOPE.replace(") - modulator", ") * modulator - modulator"))),
    (
        2,
        "nonfinite",
        (SLOPE, "slope = gamma * q * (1 - q) * (1 - q) ** (gamma - 1) * log_sigmoid(m) - (1 - q) ** (gamma + 1)"),
    ),
    (3, "log_probability", (SCORE, "return -np.log1p(np.exp(-X @ v))")),
    (3, "log_probability", (SCORE, "return np.minimum(X @ v, 0)")),
    (3, "What `train` returns is wrong", (SCORE, "return 1 / (1 + np.exp(-X @ v))")),
    (3, "sign", (SCORE, "return -X @ v")),
    (3, "What `train` returns is wrong", (SCORE, "return 0.5 * X @ v")),
    (3, "What `train` returns is wrong", ("gamma=gamma, alpha=None", "gamma=gamma")),
    (3, "none", ("    return v\n\n\ndef probability", "    v\n\n\ndef probability")),
]
