"""Validates both branches of a semi-supervised segmentor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.runner import ValLoop
from mmengine.visualization import Visualizer
from mmseg.registry import LOOPS

from ..hooks.mean_teacher_hook import unwrap_segmentor


@contextmanager
def _named(visualizer: Visualizer, branch: str) -> Iterator[None]:
    # Both branches paint the same images, which would overwrite each other.
    paint = visualizer.add_datasample
    visualizer.add_datasample = lambda name, *args, **kwargs: paint(
        f'{branch}_{name}', *args, **kwargs
    )
    try:
        yield
    finally:
        visualizer.add_datasample = paint


@LOOPS.register_module()
class TeacherStudentValLoop(ValLoop):
    """Runs the validation once for each branch.

    The metrics are ``teacher/mIoU``, ``student/mIoU`` and so on, and ``CheckpointHook`` can
    ``save_best`` on either; painted images carry the name of the branch. Arguments are those of
    MMEngine's ``ValLoop``.
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
                with _named(self.runner.visualizer, branch):
                    for idx, batch in enumerate(self.dataloader):
                        self.run_iter(idx, batch)
                result = self.evaluator.evaluate(len(self.dataloader.dataset))
                metrics.update({f'{branch}/{name}': value for name, value in result.items()})
        finally:
            cfg['predict_on'] = chosen
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics
