"""Hooks."""

from .mean_teacher_hook import MeanTeacherHook
from .semi_diagnostics_hook import SemiDiagnosticsHook

__all__ = ['MeanTeacherHook', 'SemiDiagnosticsHook']
