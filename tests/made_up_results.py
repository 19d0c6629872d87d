"""Results of a benchmark that nobody has trained, with the confusion counts that they follow from."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mmseg_contrast.tooling.benchmark.counts import ConfusionCounts, iou_of, mean_iou, save_counts
from mmseg_contrast.tooling.benchmark.plan import Benchmark
from mmseg_contrast.tooling.benchmark.results import write_result

CLASSES = ['sky', 'road', 'tree']


def counts_of(right, num_images=6, seed=0, pixels=100):
    """Counts of images of which a share of the pixels is right, and others are of the next class."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((num_images, 3, 3), int)
    for image in dense:
        for true in range(3):
            good = int(pixels * np.clip(right + rng.normal(0, 0.05), 0, 1))
            image[true, true] = good
            image[true, (true + 1) % 3] = pixels - good
    dense = dense.reshape(num_images, -1)
    image, entry = np.nonzero(dense)
    return ConfusionCounts(image, entry, dense[image, entry], num_images, 3)


def write(folder, method, seed, right, data='streets', labels=2, teacher=None, **more):
    """Write the result of a run; `right` is the share of right pixels of the student."""
    run = f'{method}_tiny_{data}-{labels}_seed{seed}'
    path = Path(folder) / f'{run}.json'
    branches = {'student': right} if teacher is None else {'student': right, 'teacher': teacher}
    counts = {name: counts_of(share, seed=seed) for name, share in branches.items()}
    save_counts(path.with_suffix('.npz'), counts)
    values = {
        'run': run,
        'data': data,
        'labels': labels,
        'net': 'tiny',
        'method': method,
        'seed': seed,
        'device': 'Some CPU',
        'minutes': 10.0 + seed,
        'memory_mib': 1500,
        'classes': CLASSES,
        'branch': [*branches][-1],
        **more,
    }
    for name, each in counts.items():
        areas = each.areas().sum(0)
        last = float(mean_iou(areas))
        values[name] = {
            'last': round(last, 4),
            'best': round(last + 1, 4),
            'ece': 5.0,
            'iou': iou_of(areas).round(2).tolist(),
        }
    write_result(path, values)


def benchmark(methods=('labels-alone', 'new', 'all-labels'), data=('streets',), labels=(2,)):
    """The benchmark whose runs these are."""
    runs = [
        SimpleNamespace(
            name=f'{method}_tiny_{each}-{number}_seed{seed}', data=each, labels=number, net='tiny'
        )
        for each in data
        for number in (*labels, 'all')
        for method in methods
        for seed in range(3)
    ]
    return Benchmark('made-up', runs, methods)
