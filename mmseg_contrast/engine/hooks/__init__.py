"""Hooks."""

from .check_setup_hook import CheckSetupHook
from .mean_teacher_hook import MeanTeacherHook
from .memory_bank_hook import MemoryBankHook
from .semi_diagnostics_hook import SemiDiagnosticsHook
from .step_seed_hook import StepSeedHook

__all__ = [
    'CheckSetupHook',
    'MeanTeacherHook',
    'MemoryBankHook',
    'SemiDiagnosticsHook',
    'StepSeedHook',
]
