"""Hooks."""

from .check_setup_hook import CheckSetupHook
from .consistency_probe_hook import ConsistencyProbeHook
from .finite_loss_hook import FiniteLossHook
from .mean_teacher_hook import MeanTeacherHook
from .memory_bank_hook import MemoryBankHook
from .progress_bar_hook import ProgressBarHook
from .report_hook import ReportHook
from .semi_diagnostics_hook import SemiDiagnosticsHook
from .set_sizes_hook import SetSizesHook
from .share_logits_hook import ShareLogitsHook
from .step_seed_hook import StepSeedHook

__all__ = [
    'CheckSetupHook',
    'ConsistencyProbeHook',
    'FiniteLossHook',
    'MeanTeacherHook',
    'MemoryBankHook',
    'ProgressBarHook',
    'ReportHook',
    'SemiDiagnosticsHook',
    'SetSizesHook',
    'ShareLogitsHook',
    'StepSeedHook',
]
