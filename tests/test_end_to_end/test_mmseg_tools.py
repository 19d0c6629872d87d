"""MMSeg's own tools on a semi-supervised run, and on what is extracted from it."""

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import load_checkpoint
from mmseg.apis import MMSegInferencer, inference_model, init_model, show_result_pyplot
from mmseg.registry import MODELS
from PIL import Image

TEST = Path(importlib.util.find_spec('mmseg').origin).parent / '.mim' / 'tools' / 'test.py'
LAST = 8
VAL = [f'val_{index}.png' for index in range(4)]


@pytest.fixture(scope='module')
def last(trained):
    """The path of the last checkpoint."""
    return trained.work_dirs / 'full' / f'iter_{LAST}.pth'


@pytest.fixture(scope='module')
def validated(trained):
    """The scores of both branches at the end of the training."""
    scores = [line for line in trained.log('full') if 'student/mIoU' in line]
    assert [line['step'] for line in scores] == [4, 8]
    return scores[-1]


@pytest.fixture
def student(trained, last, monkeypatch):
    """The student, as MMSeg's `init_model` builds it."""
    monkeypatch.chdir(trained.root)
    return init_model(str(trained.config), str(last), device='cpu')


def images(project):
    return [str(project.root / 'data/mosaic/images/val' / name) for name in VAL]


def truth(project, name):
    return cv2.imread(str(project.root / 'data/mosaic/annotations/val' / name), 0)


def mean_iou(predictions, truths, num_classes=9):
    """mIoU in percent from confusion counts, over the classes that exist."""
    counts = np.zeros((num_classes, num_classes))
    for predicted, true in zip(predictions, truths):
        kept = true != 255
        np.add.at(counts, (true[kept], predicted[kept]), 1)
    union = counts.sum(0) + counts.sum(1) - counts.diagonal()
    return 100 * np.nanmean(np.where(union > 0, counts.diagonal() / union, np.nan)), counts


def test_training_validates_both_branches(validated):
    assert validated['student/mIoU'] != validated['teacher/mIoU']
    assert min(validated['student/mIoU'], validated['teacher/mIoU']) > 0


@pytest.mark.parametrize('branch', ['student', 'teacher'])
def test_test_repeats_the_last_validation(trained, last, validated, branch):
    option = f'model.semi_test_cfg.predict_on={branch}'
    scores = trained.test(f'test_{branch}', last, '--cfg-options', option)
    for metric in ('aAcc', 'mIoU', 'mAcc'):
        assert scores[metric] == validated[f'{branch}/{metric}']


def test_our_test_gives_the_same(trained, last, validated):
    work_dir = trained.work_dirs / 'our_test'
    trained.ours('test.py', trained.config, last, '--work-dir', work_dir)
    assert trained.scores('our_test')['mIoU'] == validated['student/mIoU']


def test_submission_of_images_without_masks(trained, last, validated):
    masks = trained.root / 'submission'
    trained.ours(
        'test.py', trained.config, last, '--work-dir', trained.work_dirs / 'submission', '--tta',
        '--out', masks, '--submission',
        '--cfg-options', 'test_dataloader.dataset.data_prefix.seg_map_path=gone',
    )  # fmt: skip
    assert sorted(path.name for path in masks.iterdir()) == VAL
    for name in VAL:
        image = Image.open(masks / name)
        assert image.mode == 'P' and image.size[::-1] == truth(trained, name).shape
        assert np.array(image).max() < 9


def test_out_show_dir_and_confusion_matrix(trained, last, validated, monkeypatch):
    """Saved masks have the score of the run, painted images the size of the images."""
    masks = trained.root / 'masks'
    trained.test('shown', last, '--out', masks, '--show-dir', 'shown')
    assert sorted(path.name for path in masks.iterdir()) == VAL
    predictions = [cv2.imread(str(masks / name), 0) for name in VAL]
    miou, counts = mean_iou(predictions, [truth(trained, name) for name in VAL])
    assert miou == pytest.approx(validated['student/mIoU'], abs=0.005)

    painted = sorted(trained.root.glob('shown/vis_data/vis_image/*.png'))
    assert len(painted) == len(VAL)
    for path, name in zip(painted, VAL):
        assert path.name.startswith(f'test_{name}')
        height, width = truth(trained, name).shape
        # ground truth and prediction, side by side
        assert cv2.imread(str(path)).shape == (height, 2 * width, 3)

    plotted = []
    drawn = trained.root / 'confusion'
    import matplotlib.axes

    monkeypatch.setattr(
        matplotlib.axes.Axes, 'imshow', _recording(matplotlib.axes.Axes.imshow, plotted)
    )
    trained.mmseg('analysis_tools/confusion_matrix.py', trained.config, masks, drawn)
    expected = 100 * counts / counts.sum(1, keepdims=True)
    np.testing.assert_allclose(plotted[0], expected, rtol=1e-5)
    assert cv2.imread(str(drawn / 'confusion_matrix.png')) is not None


def _recording(method, seen):
    def record(self, data, *args, **kwargs):
        seen.append(np.asarray(data))
        return method(self, data, *args, **kwargs)

    return record


def test_tta_averages_the_flipped_image(trained, last, student):
    scores = trained.test('tta', last, '--tta')
    predictions = []
    for path in images(trained):
        probs = 0
        for flip in (1, -1):
            image = torch.from_numpy(cv2.imread(path)[:, ::flip].copy()).permute(2, 0, 1)
            data = student.data_preprocessor({'inputs': [image]})['inputs']
            with torch.no_grad():
                logits = student.encode_decode(data, [{'img_shape': image.shape[1:]}])
            probs = probs + logits.softmax(1).numpy()[0][:, :, ::flip]
        predictions.append(probs.argmax(0))
    miou, _ = mean_iou(predictions, [truth(trained, name) for name in VAL])
    assert scores['mIoU'] == pytest.approx(miou, abs=0.02)


def test_analyze_logs_reads_our_logs(trained, monkeypatch):
    if 'seaborn' not in sys.modules:
        # Only the style of the plot: what is plotted is matplotlib's.
        monkeypatch.setitem(sys.modules, 'seaborn', SimpleNamespace(set_style=lambda style: None))
    import matplotlib.pyplot as plt

    curves = []
    plot = plt.plot
    monkeypatch.setattr(
        plt, 'plot', lambda x, y, **kwargs: curves.append((x, y)) or plot(x, y, **kwargs)
    )
    [log] = (trained.work_dirs / 'full').glob('*/vis_data/scalars.json')
    keys = ['sup.decode.loss_ce', 'student/mIoU', 'unsup.coverage']
    trained.mmseg('analysis_tools/analyze_logs.py', log, '--keys', *keys, '--out', 'curves.png')
    lines = trained.log('full')
    assert [steps for steps, _ in curves] == [[*range(1, 9)], [4, 8], [*range(4, 9)]]
    for key, (_, values) in zip(keys, curves):
        assert values == [line[key] for line in lines if key in line]
    assert (trained.root / 'curves.png').stat().st_size > 1000


def test_inference_is_the_students(trained, last, student, tmp_path):
    for path in images(trained):
        result = inference_model(student, path)
        image = torch.from_numpy(cv2.imread(path)).permute(2, 0, 1)
        data = student.data_preprocessor({'inputs': [image]})['inputs']
        with torch.no_grad():
            stages = student.neck(student.backbone(data))
            logits = student.decode_head(stages)
            logits = torch.nn.functional.interpolate(
                logits, image.shape[1:], mode='bilinear', align_corners=False
            )
        assert torch.equal(result.pred_sem_seg.data, logits.argmax(1))
        assert torch.equal(student.predict(data)[0].pred_sem_seg.data, logits.argmax(1))

    out = tmp_path / 'painted.png'
    show_result_pyplot(student, path, result, show=False, out_file=str(out))
    assert cv2.imread(str(out)).shape == cv2.imread(path).shape


def test_inferencer_writes_what_inference_predicts(trained, last, student, tmp_path):
    inferencer = MMSegInferencer(str(trained.config), str(last), device='cpu')
    inferencer(images(trained), out_dir=str(tmp_path))
    masks = sorted((tmp_path / 'pred').iterdir())
    for path, mask in zip(images(trained), masks, strict=True):
        result = inference_model(student, path).pred_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(cv2.imread(str(mask), 0), result)
        painted = cv2.imread(str(tmp_path / 'vis' / Path(path).name))
        assert painted.shape == cv2.imread(path).shape


def test_get_flops_counts_the_student_alone(trained, capsys, monkeypatch):
    """The same numbers as for the plain model of the same config."""
    shape = ['--shape', '64', '64']
    trained.mmseg('analysis_tools/get_flops.py', trained.config, *shape)
    flops = re.findall(r'Flops: (.+)', capsys.readouterr().out)
    from mmengine.analysis import get_model_complexity_info
    from mmengine.analysis.print_helper import _format_size
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    init_default_scope('mmseg')
    cfg = Config.fromfile(trained.config).model
    plain = {key: cfg[key] for key in ('backbone', 'neck', 'decode_head', 'test_cfg')}
    model = MODELS.build({'type': 'EncoderDecoder', **plain}).eval()
    counted = get_model_complexity_info(
        model, inputs=torch.rand(1, 3, 64, 64), show_table=False, show_arch=False
    )
    assert flops == [_format_size(counted['flops'])]


PLAIN = """
import runpy, sys
sys.modules['mmseg_contrast'] = None  # any import of it now fails
for tool, *argv in {calls}:
    sys.argv = [tool, *argv]
    runpy.run_path(tool, run_name='__main__')
assert not [name for name in sys.modules if name.startswith('mmseg_contrast.')]
"""


def test_plain_mmseg_tests_the_extracted_branches(trained, last, validated):
    """In a process that cannot import this package, both branches of one checkpoint."""
    calls = []
    for branch in ('student', 'teacher'):
        out = trained.root / f'{branch}.pth'
        trained.ours('model_converters/extract_branch.py', last, out, '--branch', branch)
        work_dir = trained.work_dirs / f'plain_{branch}'
        calls.append([TEST, out.with_suffix('.py'), out, '--work-dir', work_dir])
    calls = [list(map(str, call)) for call in calls]
    process = trained.start('-c', PLAIN.format(calls=calls))
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output[-3000:]
    assert 'do not match' not in output
    for branch in ('student', 'teacher'):
        scores = trained.scores(f'plain_{branch}')
        for metric in ('aAcc', 'mIoU', 'mAcc'):
            assert scores[metric] == validated[f'{branch}/{metric}']


def test_the_checkpoint_loads_into_a_plain_model_as_the_student(trained, last):
    from mmengine.config import Config

    cfg = Config.fromfile(trained.config).model
    parts = ('backbone', 'neck', 'decode_head', 'test_cfg')
    plain = MODELS.build({'type': 'EncoderDecoder', **{key: cfg[key] for key in parts}})
    load_checkpoint(plain, str(last), map_location='cpu')
    state = trained.checkpoint('full')['state_dict']
    for key, value in plain.state_dict().items():
        assert torch.equal(value, state[key]), key
