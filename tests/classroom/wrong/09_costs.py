"""Wrong answers to exercise 09. The format: tests/classroom/test_exercises.py."""

WRONG = [
    (1, "cost_transposed", ("p, costs = softmax(z), C[y]", "p, costs = softmax(z), C[:, y].T")),
    (
        1,
        "not_through_softmax",
        ("return g * p * (costs - np.sum(p * costs, axis=1, keepdims=True))", "return g * costs"),
    ),
    (
        1,
        "softmax_diagonal",
        ("return g * p * (costs - np.sum(p * costs, axis=1, keepdims=True))", "return g * costs * p * (1 - p)"),
    ),
    (
        1,
        "sign",
        (
            "return g * p * (costs - np.sum(p * costs, axis=1, keepdims=True))",
            "return g * p * (np.sum(p * costs, axis=1, keepdims=True) - costs)",
        ),
    ),
    (
        1,
        "factor",
        (
            "(costs - np.sum(p * costs, axis=1, keepdims=True)) / len(y)",
            "(costs - np.sum(p * costs, axis=1, keepdims=True))",
        ),
    ),
    (
        1,
        "factor",
        (
            "(costs - np.sum(p * costs, axis=1, keepdims=True)) / len(y)",
            "(costs - np.sum(p * costs, axis=1, keepdims=True)) / C.size * 4",
        ),
    ),
    (1, "cotangent", ("return g * p * (costs", "return p * (costs")),
    (1, "softmax_diagonal", ("g * p * (costs - np.sum(p * costs, axis=1, keepdims=True))", "g * p * costs")),
    (
        1,
        "shape",
        (
            "g * p * (costs - np.sum(p * costs, axis=1, keepdims=True))",
            "g * (p * (costs - np.sum(p * costs, axis=1, keepdims=True))).sum(axis=1)",
        ),
    ),
    (1, "Dz, for costs below 0", ("p, costs = softmax(z), C[y]", "p, costs = softmax(z), np.maximum(C[y], 0)")),
    (2, "cost_transposed", ("return false_alarm / (false_alarm + miss)", "return miss / (false_alarm + miss)")),
    (2, "P* for C", ("return false_alarm / (false_alarm + miss)", "return C[0, 1] / (C[0, 1] + C[1, 0])")),
    (2, "P* for C", ("return false_alarm / (false_alarm + miss)", "return false_alarm / miss")),
    (2, "P* for C", ("return false_alarm / (false_alarm + miss)", "return 0.5")),
    (2, "nonfinite", ("return false_alarm / (false_alarm + miss)", "return C[1, 1] / C[0, 0]")),
    (3, "coefficient", ("rows = p - np.eye(z.shape[1])[y]", "rows = lam * C[y] + p - np.eye(z.shape[1])[y]")),
    (
        3,
        "No known mistake fits",
        ("rows = p - np.eye(z.shape[1])[y]", "rows = p - np.eye(z.shape[1])[y] + lam * C[y, decision][:, None]"),
    ),
    (
        3,
        "No known mistake fits",
        (
            "rows = p - np.eye(z.shape[1])[y]",
            "rows = p - np.eye(z.shape[1])[y] + lam * p * (C[y] - (p * C[y]).sum(axis=1)[:, None])",
        ),
    ),
    (3, "zero", ("rows = p - np.eye(z.shape[1])[y]", "rows = 0 * p")),
    (3, "sign", ("rows = p - np.eye(z.shape[1])[y]", "rows = np.eye(z.shape[1])[y] - p")),
    (3, "factor", ("return loss, rows / len(y)", "return loss, rows")),
    (3, "The loss is", ("+ lam * C[y, decision])", ")")),
    (4, "counted_twice", ("(p, 1 - p) if weighted else (p * C[1, 0]", "(p * 5, 1 - p) if weighted else (p * C[1, 0]")),
    (
        4,
        "The decision after training with weights",
        ("(p, 1 - p) if weighted else", "(p * C[0, 1], C[1, 0] * (1 - p)) if weighted else"),
    ),
    (
        4,
        "The decision after training without weights",
        ("if weighted else (p * C[1, 0], (1 - p) * C[0, 1])", "if not weighted else (p, 1 - p)"),
    ),
    (
        4,
        "The decision after training without weights",
        ("(p * C[1, 0], (1 - p) * C[0, 1])", "(p * C[0, 1], (1 - p) * C[1, 0])"),
    ),
    (4, "shape", ("return cost_of_1 <= cost_of_0", "return np.mean(cost_of_1) <= np.mean(cost_of_0)")),
]
