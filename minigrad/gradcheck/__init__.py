"""The gradient checker: a gradient that passes here is right."""

from .check import check_backward, gradcheck
from .report import GradcheckError, Report

__all__ = ["gradcheck", "check_backward", "GradcheckError", "Report"]
