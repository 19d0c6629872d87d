"""Validates both branches of a semi-supervised segmentor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.runner import Runner, ValLoop
from mmengine.visualization import Visualizer
from mmseg.registry import LOOPS

from ...problem import SetupError
from ...structures.step import BRANCHES
from ..checks.loops import monitored
from ..hooks.mean_teacher_hook import unwrap_segmentor


@contextmanager
def _named(visualizer: Visualizer, branch: str) -> Iterator[None]:
    # Both branches paint the same images, which would overwrite each other. MMSeg's hook has no option
    # for the names, and calls the visualizer itself.
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

    Raises:
        SetupError: If a hook or a scheduler waits for a score without the name of a branch.
    """

    #: What the names of its scores begin with.
    branches = BRANCHES

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        for place, score in monitored(runner):
            if score.split('/')[0] not in BRANCHES:
                scores = ' or '.join(f"'{branch}/{score}'" for branch in BRANCHES)
                raise SetupError(
                    f"{place}='{score}': {type(self).__name__} gives the scores of both branches; "
                    f'set it to {scores}.'
                )

    def run(self) -> dict[str, float]:
        """Validate teacher and student, and return the metrics of both."""
        model = unwrap_segmentor(self.runner, type(self).__name__)
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        metrics: dict[str, float] = {}
        for branch in ('teacher', 'student'):
            with model.predict_with(branch), _named(self.runner.visualizer, branch):
                for idx, batch in enumerate(self.dataloader):
                    self.run_iter(idx, batch)
            result = self.evaluator.evaluate(len(self.dataloader.dataset))
            metrics.update({f'{branch}/{name}': value for name, value in result.items()})
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics
