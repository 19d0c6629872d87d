import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_contrast.problem import SetupError

PALETTE = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)


@pytest.fixture
def tool(load_tool):
    return load_tool('analysis_tools/browse_dataset.py')


@pytest.fixture
def config(tmp_path):
    """A semi-supervised config on four labelled (blue) and three unlabelled (green) images."""
    for folder in ('images', 'masks', 'more'):
        (tmp_path / folder).mkdir()
    for index in range(4):
        image = np.full((24, 32, 3), (0, 0, 250), np.uint8)
        Image.fromarray(image).save(tmp_path / 'images' / f'{index}.png')
        mask = np.full((24, 32), index % 2, np.uint8)
        Image.fromarray(mask).save(tmp_path / 'masks' / f'{index}.png')
        image = np.full((24, 32, 3), (0, 250, 0), np.uint8)
        Image.fromarray(image).save(tmp_path / 'more' / f'{index}.png')
    path = tmp_path / 'config.py'
    path.write_text(
        "default_scope = 'mmseg'\n"
        "custom_imports = dict(imports=['mmseg_contrast'], allow_failed_imports=False)\n"
        f"root = '{tmp_path}'\n"
        "field = ['sup', 'weak', 'strong']\n"
        "pack = [dict(type='PackSegInputs')]\n"
        "load = dict(type='LoadImageFromFile')\n"
        'labeled = dict(\n'
        "    type='BaseSegDataset', img_suffix='.png',\n"
        "    metainfo=dict(classes=('a', 'b'), palette=[[255, 0, 0], [0, 255, 0]]),\n"
        "    data_prefix=dict(img_path=f'{root}/images', seg_map_path=f'{root}/masks'),\n"
        "    pipeline=[load, dict(type='LoadAnnotations'),\n"
        "              dict(type='MultiBranch', branch_field=field, sup=pack)])\n"
        'unlabeled = dict(\n'
        "    type='UnlabeledDataset', like=labeled, data_prefix=dict(img_path=f'{root}/more'),\n"
        "    pipeline=[load, dict(type='LoadValidMap'),\n"
        "              dict(type='MultiBranch', branch_field=field, weak=pack, strong=pack)])\n"
        'train_dataloader = dict(\n'
        '    batch_size=4, num_workers=2, persistent_workers=True,\n'
        "    sampler=dict(type='MultiSourceSampler', batch_size=4, source_ratio=[1, 1]),\n"
        "    dataset=dict(type='ConcatDataset', datasets=[labeled, unlabeled]))\n"
        "model = dict(mixing=dict(type='CrossSetCutMix', pairs='cross'),\n"
        "             data_preprocessor=dict(type='MultiBranchDataPreprocessor',\n"
        '                                    mean=[1, 2, 3], std=[1, 2, 3], size=(32, 32),\n'
        '                                    pad_val=0, seg_pad_val=255))\n'
    )
    return path


def test_grid_of_a_semi_supervised_config(tool, config, tmp_path, capsys):
    out = tmp_path / 'grid.png'
    tool.main([str(config), '--out', str(out), '--num', '3'])
    titles = 'labelled, its mask, weak, strong, valid map, labelled, mixed, strong, mixed'
    assert f'3 rows of {titles} written' in capsys.readouterr().out
    picture = np.array(Image.open(out).convert('RGB')).reshape(-1, 3)
    for color in ((0, 0, 250), (0, 250, 0), (0, 0, 0), (255, 0, 0), (90, 0, 0)):
        assert (np.abs(picture.astype(int) - color).max(axis=1) < 3).sum() > 500, color

    before = out.read_bytes()
    with pytest.raises(FileExistsError, match='--force'):
        tool.main([str(config), '--out', str(out)])
    assert out.read_bytes() == before


def test_columns_show_what_the_model_gets(tool, config):
    from mmengine.registry import init_default_scope

    cfg = Config.fromfile(config)
    init_default_scope('mmseg')
    images, samples, metainfo = tool.next_batches(cfg, 3, seed=0)
    assert metainfo == {'classes': ('a', 'b'), 'palette': [[255, 0, 0], [0, 255, 0]]}
    assert {name: tuple(batch.shape) for name, batch in images.items()} == dict.fromkeys(
        ('sup', 'weak', 'strong'), (4, 3, 32, 32)
    )
    columns = tool.columns_of(cfg, images, samples, PALETTE, 3)
    labeled, weak, valid = (columns[key][0] for key in ('labelled', 'weak', 'valid map'))
    assert (labeled[:24] == (0, 0, 250)).all()  # RGB, neither swapped nor normalised
    assert (weak[:24] == (0, 250, 0)).all()
    assert (labeled[24:] == 0).all()
    assert (valid[:24, :, 1] == 253).all()
    assert (valid[24:, :, 1] == 0).all() and (valid[24:, :, 0] >= 90).all()
    for mixed in columns['labelled, mixed'] + columns['strong, mixed']:
        blue, green = (mixed[:24, :, 2] == 250).mean(), (mixed[:24, :, 1] == 250).mean()
        assert blue > 0.2 and green > 0.2 and blue + green == 1


def test_supervised_config_without_branches(tool, config, tmp_path, capsys):
    path = tmp_path / 'sup.py'
    path.write_text(
        "_base_ = './config.py'\n"
        'labeled = _base_.labeled\n'
        "labeled.pipeline = [_base_.load, dict(type='LoadAnnotations'), *_base_.pack]\n"
        'train_dataloader = dict(\n'
        "    _delete_=True, batch_size=2, sampler=dict(type='InfiniteSampler'), dataset=labeled)\n"
        "model = dict(mixing=None, data_preprocessor=dict(type='SegDataPreProcessor'))\n"
    )
    tool.main([str(path), '--out', str(tmp_path / 'sup.png'), '--num', '2'])
    assert '2 rows of labelled, its mask written' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (
            'labeled = _base_.labeled\nlabeled.metainfo = None\n'
            "unlabeled = _base_.unlabeled\nunlabeled.like = dict(type='BaseSegDataset')\n"
            'train_dataloader = dict(dataset=dict(datasets=[labeled, unlabeled]))',
            'the data set has no classes: give metainfo=dict(classes=(...), palette=[[r, g, b], ...]).',
        ),
        (
            'model = dict(data_preprocessor=dict(size=None))',
            'model.data_preprocessor: it has no size, to which to pad the images; set size=crop_size.',
        ),
        (
            'model = dict(_delete_=True, type=0)',
            'the model has no data_preprocessor: give one, which says how to pad.',
        ),
        (
            'unlabeled = _base_.unlabeled\ndel unlabeled.pipeline[1]\n'
            'train_dataloader = dict(dataset=dict(datasets=[_base_.labeled, unlabeled]))',
            "the pipeline gives no label map in the branch 'weak'; add dict(type='LoadValidMap') after the "
            'loading of the image.',
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(tool, config, tmp_path, change, said):
    path, out = tmp_path / 'changed.py', tmp_path / 'grid.png'
    path.write_text(f"_base_ = './config.py'\n{change}\n")
    with pytest.raises(SetupError) as error:
        tool.main([str(path), '--out', str(out)])
    assert str(error.value).endswith(said)
    assert not out.exists()


def test_a_label_that_is_no_class_is_refused_with_its_file(tool, config, tmp_path):
    for index in range(4):
        Image.fromarray(np.full((24, 32), 7, np.uint8)).save(tmp_path / f'masks/{index}.png')
    with pytest.raises(
        SetupError, match=r'masks/\d\.png: the mask gives the label 7, but 2 classes'
    ):
        tool.main([str(config), '--out', str(tmp_path / 'grid.png')])


def test_overlay(tool):
    image = np.full((1, 3, 3), 100, np.uint8)
    drawn = tool.overlay(image, np.array([[0, 1, 255]]), PALETTE)
    assert drawn[0].tolist() == [[200, 35, 35], [35, 200, 35], [0, 0, 0]]


def test_a_source_may_have_fewer_samples_than_rows(tool):
    cfg = Config({'model': {}})
    label = torch.zeros(1, 4, 4, dtype=torch.long)
    sample = SegDataSample(gt_sem_seg=PixelData(data=label))
    columns = tool.columns_of(cfg, {'sup': torch.zeros(1, 3, 4, 4)}, {'sup': [sample]}, PALETTE, 5)
    assert [len(images) for images in columns.values()] == [1, 1]


def test_several_views_of_the_weak_images_are_drawn(tool, config):
    from mmengine.registry import init_default_scope

    cfg = Config.fromfile(config)
    init_default_scope('mmseg')
    cfg.model.mixing = dict(type='AugmentedViews', num_views=2, strong=dict(flip=1.0))
    cfg.model.views = [dict(branch='weak')]
    images, samples, _ = tool.next_batches(cfg, 2, seed=0)
    images['weak'][:, 0, :, :3] = 99
    columns = tool.columns_of(cfg, images, samples, PALETTE, 2)
    for title in ('weak, mixed 1', 'weak, mixed 2'):
        for plain, view in zip(columns['weak'], columns[title], strict=True):
            assert np.abs(plain[:, ::-1].astype(int) - view).max() <= 1
    assert np.array_equal(columns['labelled, mixed'], columns['labelled'])
