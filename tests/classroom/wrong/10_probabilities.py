"""Wrong answers to exercise 10. The format: tests/classroom/test_exercises.py."""

MOVED = "return p * new / old / np.sum(p * new / old, axis=1, keepdims=True)"
SHIFT = "return z + np.log(new / old)"
SIGMOID = "p = 1 / (1 + np.exp(-X @ v))\n    yes"
THRESHOLD = "return s * w[1] / (s * w[1] + (1 - s) * w[0])"

WRONG = [
    (1, "swapped", (MOVED, "return p * old / new / np.sum(p * old / new, axis=1, keepdims=True)")),
    (1, "not_normalised", (MOVED, "return p * new / old")),
    (1, "not_normalised", (", axis=1, keepdims=True)\n", ", axis=0)\n")),
    (1, "not_normalised", (", axis=1, keepdims=True)\n", ")\n")),
    (1, "The corrected p is wrong in", (MOVED, "return p * new / np.sum(p * new, axis=1, keepdims=True)")),
    (1, "The corrected p is wrong in", (MOVED, "return p / old / np.sum(p / old, axis=1, keepdims=True)")),
    (1, "raised", (", axis=1, keepdims=True)\n", ", axis=1)\n")),
    (1, "of a sample where p is 1", (MOVED, "p = np.maximum(p, 1e-5)\n    " + MOVED)),
    (2, "sign", (SHIFT, "return z - np.log(new / old)")),
    (2, "sign", (SHIFT, "return z + np.log(old / new)")),
    (2, "The softmax of the corrected logits", (SHIFT, "return z + new / old")),
    (2, "The softmax of the corrected logits", (SHIFT, "return z * new / old")),
    (2, "The softmax of the corrected logits", (SHIFT, "return z + np.log(new)")),
    (2, "The softmax of the corrected logits", (SHIFT, "return correct_prior(softmax(z), old, new)")),
    (2, "cannot be used", (SHIFT, "return (z + np.log(new / old))[:, 0]")),
    (2, "The softmax of the corrected logits", (SHIFT, "return np.log(np.exp(z) * new / old)")),
    (3, "corrected_twice", ("log_odds = X @ v\n", "log_odds = X @ v + np.log(w[0]) - np.log(w[1])\n")),
    (3, "not_corrected", ("return yes / (yes + no)", "return p")),
    (
        3,
        "The array p is wrong in",
        ("log_odds = X @ v\n", "log_odds = X @ v + np.log(w[1] / w[0])\n    log_odds += np.log(w[1] / w[0])\n"),
    ),
    (3, "The array p is wrong in", ("return yes / (yes + no)", "return yes")),
    (3, "shape", ("return yes / (yes + no)", "return np.mean(yes / (yes + no))")),
    (4, "The threshold for s = 0.5", (THRESHOLD, "return s * w[0] / (s * w[0] + (1 - s) * w[1])")),
    (4, "The threshold for s = 0.5", (THRESHOLD, "return s")),
    (4, "The threshold for s = 0.5", (THRESHOLD, "return s + np.log(w[1] / w[0])")),
    (4, "The threshold for s = 0.5", (THRESHOLD, "return s * w[1] / w[0]")),
    (4, "The threshold for s = 0.1", (THRESHOLD, "return w[1] / (w[1] + w[0])")),
]
