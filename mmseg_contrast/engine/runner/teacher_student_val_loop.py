"""Validates both branches of a semi-supervised segmentor."""

from __future__ import annotations

from mmengine.runner import ValLoop
from mmseg.registry import LOOPS

from ..hooks.mean_teacher_hook import unwrap_segmentor


@LOOPS.register_module()
class TeacherStudentValLoop(ValLoop):
    """Runs the validation once for each branch.

    The metrics are ``teacher/mIoU``, ``student/mIoU`` and so on, and ``CheckpointHook`` can
    ``save_best`` on either. Arguments are those of MMEngine's ``ValLoop``.
    """

    def run(self) -> dict[str, float]:
        """Validate teacher and student, and return the metrics of both."""
        cfg = unwrap_segmentor(self.runner, type(self).__name__).semi_test_cfg
        chosen = cfg['predict_on']
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        metrics: dict[str, float] = {}
        try:
            for branch in ('teacher', 'student'):
                cfg['predict_on'] = branch
                for idx, batch in enumerate(self.dataloader):
                    self.run_iter(idx, batch)
                result = self.evaluator.evaluate(len(self.dataloader.dataset))
                metrics.update({f'{branch}/{name}': value for name, value in result.items()})
        finally:
            cfg['predict_on'] = chosen
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics
