"""Wrong answers to exercise 08. The format: tests/classroom/test_exercises.py."""

WRONG = [
    (1, "transpose", ("(y, predicted), 1)", "(predicted, y), 1)")),
    (1, "M is wrong in", ("np.add.at(M, (y, predicted), 1)", "M[y, predicted] += 1")),
    (1, "factor", ("return M\n", "return M / len(y)\n")),
    (1, "shape", ("np.zeros((K, K), dtype=int)", "np.zeros((y.max() + 1, predicted.max() + 1), dtype=int)")),
    (1, "M is wrong in", ("np.add.at(M, (y, predicted), 1)", "np.add.at(M, (y, y), y == predicted)")),
    (1, "none", ("    return M\n", "")),
    (2, "precision", ("np.diag(M) / np.maximum(M.sum(axis=1), 1)", "np.diag(M) / np.maximum(M.sum(axis=0), 1)")),
    (2, "The recall is wrong in", ("np.diag(M) / np.maximum(M.sum(axis=1), 1)", "np.diag(M) / M.sum()")),
    (2, "The recall: got a number", ("np.diag(M) / np.maximum(M.sum(axis=1), 1)", "np.trace(M) / M.sum()")),
    (2, "factor", ("2 * np.diag(M) / np.maximum", "np.diag(M) / np.maximum")),
    (2, "F1 is wrong in", ("M.sum(axis=0) + M.sum(axis=1), 1)", "M.sum(axis=0) + M.sum(axis=1) - np.diag(M), 1)")),
    (
        2,
        "F1 is wrong in",
        """
def f1_scores(M):
    return (np.diag(M) / M.sum(axis=0) + np.diag(M) / M.sum(axis=1)) / 2
""",
    ),
    (2, "nonfinite", ("np.maximum(M.sum(axis=1), 1)", "M.sum(axis=1)")),
    (2, "nonfinite", ("np.maximum(M.sum(axis=0) + M.sum(axis=1), 1)", "(M.sum(axis=0) + M.sum(axis=1))")),
    (3, "Weighted_f1 is not 0.95", ("weighted_f1 = 0.93", "weighted_f1 = 0.95")),
    (3, "Weighted_f1 is not 0.0", ("weighted_f1 = 0.93", "weighted_f1 = 0.0")),
    (3, "Weighted_f1 is not 93 %", ("weighted_f1 = 0.93", "weighted_f1 = '93 %'")),
    (3, "Balanced_accuracy is not 0.95", ("balanced_accuracy = 0.50", "balanced_accuracy = 0.95")),
    (3, "G_mean is not 0.5", ("g_mean = 0.00", "g_mean = 0.50")),
    (4, "tuned_on_test", ("[f1(y_valid, p_valid >= t)", "[f1(y_test, p_test >= t) + 0 * t")),
    (
        4,
        "tuned_on_test",
        (
            "[f1(y_valid, p_valid >= t)",
            "[f1(np.append(y_valid, y_test), np.append(p_valid, p_test) >= t)",
        ),
    ),
    (4, "(threshold, F1), part 2", ("return best, f1(y_test, p_test >= best)", "return best, max(scores)")),
    (4, "(threshold, F1), part 1", ("best = thresholds[np.argmax(scores)]", "best = 0.5")),
    (4, "(threshold, F1), part 1", ("thresholds[np.argmax(scores)]", "thresholds[np.argmin(scores)]")),
    (4, "(threshold, F1), part 1", ("[f1(y_valid, p_valid >= t)", "[np.mean(y_valid == (p_valid >= t))")),
]
