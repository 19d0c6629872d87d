"""Complaining before the first iteration, not hours later."""

from collections.abc import Mapping, Sequence

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...config_text import read_config_text
from ...datasets.scan import parts_of, random_numbers_kept, source_of
from ...models.segmentors import ContrastivePretrainer
from ...problem import Problem, SetupError
from ...structures.pixel_targets import IGNORE_INDEX
from ..checks.checkpoint import check_state_dict, missing_weights
from ..checks.data import (
    check_batch_size,
    check_branches,
    check_classes,
    check_dataset,
    check_fills,
    check_labels,
    check_number,
    check_original_size,
    check_sets_of_each_process,
)
from ..checks.loops import check_epochs_end, check_scores
from ..checks.network import (
    check_alignment,
    check_bank_is_filled,
    check_network,
    check_padding,
    check_preprocessor,
    check_sample,
    check_trainable,
    ignored_labels,
    num_classes,
    padded_size,
    smallest_forward,
)
from ..checks.resumed_config import check_resumed
from ..checks.schedules import check_schedules
from ..unwrap import unwrap


@HOOKS.register_module()
class CheckSetupHook(Hook):
    """Check data, model and checkpoint before training starts.

    Raises :class:`SetupError` with one sentence: the place, what is wrong, and the remedy. Looks at up
    to 32 masks and images, spread over each list, which takes seconds. Every process finds the
    same, without talking to the others.
    """

    priority = 'VERY_HIGH'
    #: Weights of backbone, neck and decode head that the checkpoint did not have.
    untrained: Sequence[str] = ()

    def before_train(self, runner: Runner) -> None:
        """Check the training data against the model.

        Args:
            runner (Runner): The runner, with its data and model built.

        Raises:
            SetupError: Something is wrong.
        """
        for problem in check_schedules(runner):
            runner.logger.warning(str(problem))
        loader = runner.train_dataloader
        _raise_first(check_epochs_end(runner.train_loop, loader.sampler))
        _raise_first(check_scores(runner))
        parts = parts_of(loader.dataset)
        model = unwrap(runner.model)
        _raise_first(check_classes(parts, model))
        _raise_first(check_branches(parts, model))
        _raise_first(check_preprocessor(model))
        _raise_first(check_trainable(model))
        _raise_first(check_bank_is_filled(model, runner.hooks))
        _raise_first(check_batch_size(loader))
        if get_world_size() > 1:
            _raise_first(check_sets_of_each_process(parts, loader.sampler))
        ignored = ignored_labels(model)
        counts = getattr(loader.sampler, 'counts', None)
        sources = [loader.dataset] if counts is None else loader.dataset.datasets
        for source, need in zip(sources, counts or [loader.batch_size]):
            _raise_first(check_number(source, need * get_world_size()))
        size = padded_size(model)
        for part in parts:
            _raise_first(check_dataset(part, ignored=ignored))
            _raise_first(check_fills(part, ignored))
            place = source_of(part).place
            _raise_first(check_alignment(part, place))
            _raise_first(check_sample(part, place, size))
        # Not only when it is too late for the iterations before the first validation.
        if runner.val_loop is not None:
            validated = parts_of(runner.val_dataloader.dataset)
            _raise_first(check_classes([*parts[:1], *validated], model, 'validation images'))
            for part in validated:
                _raise_first(check_dataset(part, 'validation images', ignored | {IGNORE_INDEX}))
                _raise_first(check_sample(part, 'validation images', None))
                with random_numbers_kept():
                    _raise_first(
                        check_original_size({'data_samples': [part[0].get('data_samples')]})
                    )
        images = smallest_forward(counts, loader.batch_size, model)
        _raise_first(check_network(model, images, size))

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Check the labels of a batch, since only some masks were looked at before.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch, on the host.

        Raises:
            SetupError: A label is no class.
        """
        model = unwrap(runner.model)
        ignored = ignored_labels(model)
        _raise_first(check_labels(data_batch, num_classes(model), ignored))
        _raise_first(check_padding(data_batch, model, ignored))

    def before_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Do so with a batch of the validation, whose metric ignores 255.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch, on the host.

        Raises:
            SetupError: A label is no class, which the metric would leave out in silence.
        """
        model = unwrap(runner.model)
        ignored = ignored_labels(model) | {IGNORE_INDEX}
        _raise_first(check_labels(data_batch, num_classes(model), ignored))
        _raise_first(check_original_size(data_batch))

    def before_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Do so with a batch of the test, see :meth:`before_val_iter`."""
        self.before_val_iter(runner, batch_idx, data_batch)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check a checkpoint against the model, before its weights are loaded.

        Args:
            runner (Runner): The runner, with its model built.
            checkpoint (dict): The content of the checkpoint file.

        Raises:
            SetupError: The checkpoint is of another model or, on resume, of another config.
        """
        own = unwrap(runner.model).state_dict()
        loaded = checkpoint.get('state_dict', checkpoint)
        if not isinstance(loaded, Mapping):
            what = f'its state_dict is a {type(loaded).__name__} and not a dict of weights'
            raise SetupError(Problem('checkpoint', what, 'save model.state_dict() there'))
        self.untrained = missing_weights(loaded, own)
        if runner._resume:
            self._check_resumed(runner, checkpoint.get('meta', {}).get('cfg'))
        _raise_first(check_state_dict(loaded, own))

    def _check_resumed(self, runner: Runner, text: str | None) -> None:
        # Read as data: no text of a checkpoint is run.
        if text:
            try:
                old = Config(read_config_text(text))
            except (ValueError, SyntaxError) as error:
                runner.logger.warning(
                    'The config in the checkpoint is not compared with this one, since it does not '
                    f'consist of plain values: {error}.'
                )
            else:
                _raise_first(check_resumed(old, runner.cfg))

    def before_test(self, runner: Runner) -> None:
        """Refuse to predict with weights that nothing has trained.

        Args:
            runner (Runner): The runner, with its model loaded.

        Raises:
            SetupError: The model, or what was loaded into it, has no classifier.
        """
        if isinstance(unwrap(runner.model), ContrastivePretrainer):
            what = 'a ContrastivePretrainer has no classifier and predicts nothing'
            raise SetupError(Problem('model', what, 'take the config that fine-tunes it'))
        if self.untrained and runner.iter == 0:
            what = f'it lacks {self.untrained[0]}, without which nothing can be predicted'
            remedy = 'give one that was trained with this config'
            raise SetupError(Problem('checkpoint', what, remedy))


def _raise_first(problems: Sequence[Problem]) -> None:
    """Raise the first problem, if there is one."""
    if problems:
        raise SetupError(problems[0])
