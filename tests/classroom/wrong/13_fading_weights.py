"""Wrong answers to exercise 13. The format: tests/classroom/test_exercises.py."""

GRADIENT = "return g * (w @ rows(v, X, t) / len(t) + lam * v)"
BATCH = "gradient = w @ G / len(w)"
CLIPPED = "return gradient * limit / length if length > limit else gradient"
WATCHED = "watched = np.mean(validation[2] * losses(v, *validation[:2]))"

WRONG = [
    (1, "l2_missing", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t))")),
    (1, "l2_doubled", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t) + 2 * lam * v)")),
    (1, "l2_missing", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t) + lam / 2 * v)")),
    (1, "l2_missing", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t) - lam * v)")),
    (1, "penalty_weighted", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t) + w.mean() * lam * v)")),
    (1, "penalty_weighted", (GRADIENT, "return g * np.sum(w[:, None] * (rows(v, X, t) + lam * v), axis=0) / len(t)")),
    (1, "penalty_weighted", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t) + w.sum() * lam * v)")),
    (1, "No known mistake fits", (GRADIENT, "return g * (rows(v, X, t).mean(axis=0) + lam * v)")),
    (1, "No known mistake fits", (GRADIENT, "return g * (w @ rows(v, X, t) / w.sum() + lam * v)")),
    (1, "No known mistake fits", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t) + lam * np.sign(v))")),
    (1, "cotangent", (GRADIENT, "return w @ rows(v, X, t) / len(t) + lam * v")),
    (1, "extra_l2", (GRADIENT, "return g * (w @ rows(v, X, t) / len(t) + len(t) * lam * v)")),
    (1, "shape", (GRADIENT, "return g * (w[:, None] * rows(v, X, t) / len(t) + lam * v)")),
    (1, "sign", (GRADIENT, "return -g * (w @ rows(v, X, t) / len(t) + lam * v)")),
    (
        2,
        "clipped_before_weighting",
        (
            BATCH,
            "gradient, limit = w @ (G * np.minimum(1, limit / np.linalg.norm(G, axis=1))[:, None]) / len(w), np.inf",
        ),
    ),
    (2, "clipped_before_weighting", ("(gradient)\n    return", "(G.mean(axis=0))\n    return")),
    (2, "The clipped gradient is", (CLIPPED, "return np.clip(gradient, -limit, limit)")),
    (2, "with a limit of nine times its length", (CLIPPED, "return gradient * limit / length")),
    (2, "The clipped gradient is", (CLIPPED, "return gradient / length if length > limit else gradient")),
    (2, "The clipped gradient is", (CLIPPED, "return gradient")),
    (2, "factor", (BATCH, "gradient = w @ G")),
    (2, "with a limit of nine times its length", (BATCH, "gradient = w @ G / w.sum()")),
    (2, "with a limit of nine times its length", (BATCH, "gradient = G.mean(axis=0)")),
    (2, "nonfinite", (CLIPPED, "return gradient / length * min(length, limit)")),
    (3, "training_loss", (WATCHED, "watched = np.mean(training[2] * losses(v, X, t))")),
    (3, "weight_forgotten", (WATCHED, "watched = np.mean(losses(v, *validation[:2]))")),
    (3, "The best v", (WATCHED, "watched = np.mean((validation[0] @ v > 0) != validation[1])")),
    (3, "The best v", ("    return best_v", "    return v")),
    (3, "raised", (WATCHED, "watched = validation[2] * losses(v, *validation[:2])")),
]
