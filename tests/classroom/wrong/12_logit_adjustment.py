"""Wrong answers to exercise 12. The format: tests/classroom/test_exercises.py."""

ADJUSTED = "return g * (q - np.eye(len(pi))[y]) / len(y)"
SCALED = "return g * w[y][:, None] * (q - np.eye(len(pi))[y]) / a / len(y)"
Q = "q = np.exp(log_softmax(z / a + tau * np.log(pi)))"
CDT = "slopes = (np.exp(log_softmax(z / a)) - truth) / a"
PREDICT = "return np.argmax(z - tau * np.log(pi), axis=1)"

WRONG = [
    (1, "sign", ("log_softmax(z + tau * np.log(pi))", "log_softmax(z - tau * np.log(pi))")),
    (1, "not_adjusted", ("log_softmax(z + tau * np.log(pi))", "log_softmax(z)")),
    (1, "No known mistake fits", ("log_softmax(z + tau * np.log(pi))", "log_softmax(z + np.log(pi))")),
    (1, "No known mistake fits", ("log_softmax(z + tau * np.log(pi))", "log_softmax(z + tau * pi)")),
    (1, "sign", (ADJUSTED, "return g * (np.eye(len(pi))[y] - q) / len(y)")),
    (1, "factor", (ADJUSTED, "return g * (q - np.eye(len(pi))[y])")),
    (1, "factor", (ADJUSTED, "return g * (q - np.eye(len(pi))[y]) / len(pi)")),
    (1, "cotangent", (ADJUSTED, "return (q - np.eye(len(pi))[y]) / len(y)")),
    (1, "label_column_only", (ADJUSTED, "return g * (q - 1) * np.eye(len(pi))[y] / len(y)")),
    (1, "not_through_softmax", (ADJUSTED, "return -g * np.eye(len(pi))[y] / q / len(y)")),
    (1, "sigmoid_factor", (ADJUSTED, "return g * q * (1 - q) * (q - np.eye(len(pi))[y]) / len(y)")),
    (
        1,
        "nonfinite",
        (
            "q = np.exp(log_softmax(z + tau * np.log(pi)))",
            "q = np.exp(z) * pi**tau\n    q = q / q.sum(axis=1, keepdims=True)",
        ),
    ),
    (2, "temperature_missing", (SCALED, "return g * w[y][:, None] * (q - np.eye(len(pi))[y]) / len(y)")),
    (
        2,
        "temperature_on_log_probabilities",
        (
            Q,
            "w, q, a = w / a, np.exp(log_softmax(z + tau * np.log(pi))), 1",
        ),
    ),
    (2, "No known mistake fits", (SCALED, "return g * (w / a)[y][:, None] * (q - np.eye(len(pi))[y]) / len(y)")),
    (2, "weight_forgotten", (SCALED, "return g * (q - np.eye(len(pi))[y]) / a / len(y)")),
    (2, "weight_twice", (SCALED, "return g * (w**2)[y][:, None] * (q - np.eye(len(pi))[y]) / a / len(y)")),
    (2, "weight_by_column", (SCALED, "return g * w * (q - np.eye(len(pi))[y]) / a / len(y)")),
    (2, "factor", (SCALED, "return g * w[y][:, None] * (q - np.eye(len(pi))[y]) / a / w[y].sum()")),
    (2, "sign", (SCALED, "return -g * w[y][:, None] * (q - np.eye(len(pi))[y]) / a / len(y)")),
    (2, "No known mistake fits", (Q, "q = np.exp(log_softmax((z + tau * np.log(pi)) / a))")),
    (2, "raised", (SCALED, "return g * w[y] * (q - np.eye(len(pi))[y]) / a / len(y)")),
    (3, "temperature_on_log_probabilities", (CDT, "slopes = (np.exp(log_softmax(z)) - truth) / (truth @ a)[:, None]")),
    (3, "V after the step is wrong", (CDT, "slopes = np.exp(log_softmax(z / a)) - truth")),
    (3, "V after the step is wrong", (CDT, "slopes = (np.exp(log_softmax(z / a)) - truth) * a")),
    (3, "V after the step is wrong", (CDT, "slopes = (np.exp(log_softmax(z)) - truth) / a")),
    (3, "V after the step is wrong", (CDT, "slopes = (np.exp(log_softmax(z / a)) - truth) / a[y][:, None]")),
    (3, "V after the step is wrong", (CDT, "slopes = (np.exp(log_softmax(z * a)) - truth) * a")),
    (3, "raised", (CDT, "slopes = (np.exp(log_softmax(z / a[y])) - truth) / a")),
    (4, "The class, for tau = 1,", (PREDICT, "return np.argmax(z + tau * np.log(pi), axis=1)")),
    (4, "The class, for tau = 1,", (PREDICT, "return np.argmax(z, axis=1)")),
    (4, "The class, for tau = 2,", (PREDICT, "return np.argmax(z - np.log(pi), axis=1)")),
    (4, "The class, for tau = 1,", (PREDICT, "return np.argmax(z - tau * pi, axis=1)")),
    (4, "shape", (PREDICT, "return np.argmax(z - tau * np.log(pi))")),
]
