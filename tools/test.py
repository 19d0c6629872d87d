"""Test a checkpoint, and paint or save its predictions."""

import argparse
import os
import pickle

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmseg_contrast.problem import SetupError
from mmseg_contrast.pseudo_labels.predict import without_masks
from mmseg_contrast.tooling.checkpoint import check_checkpoint
from mmseg_contrast.tooling.cli import (
    add_common_arguments,
    check_data,
    load_config,
    one_sentence,
    require_keys,
)
from mmseg_contrast.tooling.overrides import refuse

EXAMPLE = """\
examples:
  python tools/test.py CONFIG work_dirs/run1/iter_2000.pth
  python tools/test.py CONFIG CHECKPOINT --tta --show-dir painted
  python tools/test.py CONFIG CHECKPOINT --cfg-options model.semi_test_cfg.predict_on=student
  python tools/test.py CONFIG CHECKPOINT --out masks --submission --cfg-options \\
      test_dataloader.dataset.data_prefix.img_path=leftImg8bit/test
  torchrun --nproc-per-node 4 tools/test.py CONFIG CHECKPOINT --launcher pytorch
"""


SET_HERE = {'load_from': 'give CHECKPOINT', 'resume': 'leave it out'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='path of the config')
    parser.add_argument('checkpoint', help='path of the checkpoint')
    add_common_arguments(parser)
    parser.add_argument('--out', help='folder for the predicted masks')
    parser.add_argument(
        '--submission',
        action='store_true',
        help='with --out: evaluate nothing, need no masks, and write what the server of the data set takes',
    )
    parser.add_argument('--show', action='store_true', help='show the predictions')
    parser.add_argument('--show-dir', help='folder for painted images')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds between shown images')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    args = parser.parse_args(argv)
    if args.submission and not args.out:
        parser.error('--submission writes files: give their folder by --out')
    return args


def paint(cfg: Config, args: argparse.Namespace) -> None:
    """Switch the visualisation hook on."""
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise ValueError(
            '--show and --show-dir need a SegVisualizationHook as default_hooks.visualization'
        )
    hook.update(draw=True, show=args.show, wait_time=args.wait_time)
    if args.show_dir:
        cfg.visualizer.save_dir = args.show_dir


def augment(cfg: Config) -> None:
    """Wrap the model and exchange the pipeline for test-time augmentation."""
    missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
    if missing:
        raise ValueError(f'--tta needs {" and ".join(missing)} in the config')
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model


def submit(cfg: Config, folder: str) -> None:
    """Write predictions for a server, from images without masks."""
    dataset = cfg.test_dataloader.dataset
    dataset.pipeline = without_masks(dataset.pipeline)
    dataset.data_prefix.pop('seg_map_path', None)
    cfg.test_evaluator = dict(type='SubmissionWriter', folder=folder)


def build_runner(args: argparse.Namespace) -> Runner:
    """Build everything that the test needs, so that what is wrong shows before it starts."""
    options = args.cfg_options or {}
    refuse(options, SET_HERE, '--cfg-options')
    if args.tta:
        refuse(
            options,
            {'test_dataloader.dataset.pipeline': 'with --tta change tta_pipeline'},
            '--cfg-options',
        )
    cfg = load_config(args)
    require_keys(cfg, 'model', 'test_dataloader', 'test_cfg', 'test_evaluator')
    check_checkpoint(args.checkpoint)
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.show or args.show_dir:
        paint(cfg, args)
    if args.tta:
        augment(cfg)
    if args.out and os.path.isdir(args.out) and os.listdir(args.out):
        raise FileExistsError(f'{args.out} holds files: give --out another folder')
    if args.submission:
        refuse(options, {'test_evaluator': 'leave out it or --submission'}, '--cfg-options')
        submit(cfg, args.out)
    elif args.out:
        refuse(options, {'test_evaluator.output_dir': 'give --out'}, '--cfg-options')
        if not isinstance(cfg.test_evaluator, dict):
            raise ValueError('--out needs a test_evaluator that is one metric, such as IoUMetric')
        cfg.test_evaluator.update(output_dir=args.out, keep_results=True)
    check_data(cfg, ('test_dataloader',))
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    _ = runner.test_loop  # a property that builds the loop with its data set
    return runner


def main() -> None:
    """Test."""
    args = parse_args()
    with one_sentence():
        runner = build_runner(args)
    with one_sentence(pickle.UnpicklingError, SetupError):
        runner.test()


if __name__ == '__main__':
    main()
