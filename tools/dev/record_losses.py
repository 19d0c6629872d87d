"""Train each mosaic config for some steps and record every loss, to compare before and after a rewrite.

Record before a change and compare after it, on one machine: the losses must be the same bit for bit. Each
run takes a few steps from its beginning, then jumps past all burn-ins and ramps, so that all terms are at
work.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_contrast.files import write_file

ROOT = Path(__file__).resolve().parents[2]
MASKS = 'data/mosaic/annotations/train'
EXAMPLE = """\
examples:
  python tools/dev/record_losses.py --out before.json
  python tools/dev/record_losses.py --out after.json --compare before.json
"""


class LossRecorder(Hook):
    """Keeps the losses of each step, and jumps from step ``jump`` to iteration ``to``.

    Args:
        jump (int): Steps before the jump.
        to (int): Iteration that the next step is.
    """

    # After all hooks that act on the step.
    priority = 'LOWEST'

    def __init__(self, jump: int, to: int) -> None:
        self.jump = jump
        self.to = to
        self.steps: list[dict[str, float]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        """Keep what the step returned."""
        self.steps.append({name: float(value) for name, value in (outputs or {}).items()})
        if len(self.steps) == self.jump:
            runner.train_loop._iter = self.to - 1


def record(config: Path, steps: int) -> list[dict[str, float]]:
    """Train a config and return the losses of each step and, last, the norms of its weights.

    Args:
        config (Path): The config; it must train.
        steps (int): Number of steps; a quarter of them before the jump.
    """
    cfg = Config.fromfile(config)
    end = cfg.train_cfg.max_iters
    jump = steps // 4
    start = end - (steps - jump)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    cfg.load_from = None
    # Stages that train on pseudo-labels take the masks in their place.
    for dataset in cfg.train_dataloader.dataset.get('datasets', []):
        if dataset.data_prefix.get('seg_map_path'):
            dataset.data_prefix.seg_map_path = MASKS
    cfg.train_cfg.val_interval = end
    cfg.default_hooks.checkpoint.interval = 2 * end
    cfg.default_hooks.checkpoint.save_last = False
    let_pixels_through(cfg.model)
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        # The visualizer is a singleton by name, which would keep the first run's folder.
        cfg.visualizer.update(name=config.stem, vis_backends=[])
        runner = Runner.from_cfg(cfg)
        recorder = LossRecorder(jump, start)
        runner.register_hook(recorder)
        model = runner.train()
    norms = {
        f'norm of {name}': float(torch.linalg.vector_norm(value.double()))
        for name, value in model.state_dict().items()
        if value.is_floating_point()
    }
    return [*recorder.steps, norms]


def let_pixels_through(node: object) -> None:
    """Lower every threshold of a model in place: a net of some steps is sure of nothing.

    Args:
        node (object): The model's config, or a part of it.
    """
    if isinstance(node, dict):
        node.update({k: v for k, v in (('threshold', 0.3), ('confidence', 0.0)) if k in node})
        node = list(node.values())
    for child in node if isinstance(node, list) else []:
        let_pixels_through(child)


def differences(old: dict, new: dict) -> list[str]:
    """Return a sentence for each config whose values differ.

    Args:
        old (dict): Recorded values by config.
        new (dict): The same.
    """
    found = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            found.append(f'{name}: only in {"the first" if name in old else "the second"}')
            continue
        for step, (a, b) in enumerate(zip(old[name], new[name], strict=True)):
            keys = sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k))
            if keys:
                parts = ', '.join(f'{k} {a.get(k)} -> {b.get(k)}' for k in keys[:4])
                found.append(f'{name}, step {step}: {len(keys)} of {len(a)} differ: {parts}')
                break
    return found


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='*', type=Path, help='configs (default: all mosaics)')
    parser.add_argument('--steps', type=int, default=20, help='steps of each run (default: 20)')
    parser.add_argument('--out', type=Path, required=True, help='JSON file to write')
    parser.add_argument('--compare', type=Path, help='JSON file of an earlier call')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Record, and compare."""
    args = parse_args(argv)
    torch.set_num_threads(1)
    configs = args.configs or sorted(
        path
        for path in ROOT.glob('configs/*/*mosaic*.py')
        if path.parent.name != '_base_' and not path.name.startswith('chain_')
    )
    values = {path.stem: record(path, args.steps) for path in configs}
    write_file(args.out, json.dumps(values, indent=1) + '\n')
    if args.compare:
        found = differences(json.loads(args.compare.read_text(encoding='utf-8')), values)
        print('\n'.join(found) or f'all {len(values)} runs are the same')
        sys.exit(bool(found))


if __name__ == '__main__':
    main()
