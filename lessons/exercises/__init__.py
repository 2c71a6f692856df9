"""The sources of the exercises: `minigrad exercises`. A package, so that mypy tells them from the lessons."""
