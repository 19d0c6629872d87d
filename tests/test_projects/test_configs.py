from pathlib import Path

import pytest
from mmengine.config import Config

from mmseg_contrast.problem import SetupError
from mmseg_contrast.projects.choices import Choices, Machine
from mmseg_contrast.projects.configs import (
    Folders,
    Numbers,
    Recipe,
    check,
    dataset_text,
    methods,
    nets,
    training_text,
)
from mmseg_contrast.projects.encoding import Encoding

CONFIGS = Path(__file__).parents[2] / 'configs'
ENCODING = Encoding('class ids', {}, False, ["farmer's soil", 'weed'], [(0, 0, 0), (0, 9, 0)])


def choices(**changes):
    made = dict(
        photo=(640, 480),
        image_scale=(448, 336),
        crop_size=(224, 224),
        steps=60,
        num_workers=1,
        halve_batch=False,
    )
    return Choices(**{**made, **changes})


@pytest.fixture
def written(tmp_path):
    """Write a project's configs and read one of them."""

    def read(method='c3semiseg', backbone='mobilenetv2', masks=Path('/m'), number=40, **changes):
        folder = tmp_path / "it's mine"
        folder.mkdir(exist_ok=True)
        made, numbers = choices(**changes), Numbers(number, 10, 300)
        places = Folders(Path("/photos' home"), masks, '.jpg', '_m.png')
        text = dataset_text(places, ENCODING, numbers, made, Machine(None, 4))
        (folder / 'dataset.py').write_text(text)
        text = training_text(Recipe(CONFIGS, method, backbone), method, made, numbers)
        (folder / 'train.py').write_text(text)
        assert len(text.splitlines()) <= 15
        return Config.fromfile(folder / 'train.py'), folder

    return read


def test_methods_and_nets():
    assert {'c3semiseg', 'unimatch_v2', 'memory_bank'} <= set(methods(CONFIGS))
    assert not {'supervised', 'recipe', 'pretrain'} & set(methods(CONFIGS))
    assert {'mobilenetv2', 'segformer_mit-b0', 'fpn_r18-narrow'} <= set(nets(CONFIGS))
    assert 'stdc1' not in nets(CONFIGS)


@pytest.mark.parametrize('method', [*methods(CONFIGS), 'supervised'])
def test_each_method(written, method):
    cfg, folder = written(method)
    assert cfg.param_scheduler[0].end == cfg.train_cfg.max_iters == 60
    assert cfg.train_cfg.val_interval == 6
    assert cfg.model.data_preprocessor.size == (224, 224)
    assert cfg.model.decode_head.num_classes == 2
    labeled, *unlabeled = cfg.train_dataloader.dataset.datasets
    assert labeled.type == cfg.val_dataloader.dataset.type == 'BaseSegDataset'
    for each, listed in ((labeled, 'train'), (cfg.val_dataloader.dataset, 'val')):
        assert each.metainfo.classes == ("farmer's soil", 'weed')
        assert each.metainfo.palette == [[0, 0, 0], [0, 9, 0]]
        assert (each.img_suffix, each.seg_map_suffix) == ('.jpg', '_m.png')
        assert each.data_prefix == dict(img_path="/photos' home", seg_map_path='/m')
        assert each.ann_file == f'{folder}/lists/{listed}.txt'
    assert bool(unlabeled) == (method != 'supervised')
    for each in unlabeled:
        assert each.ann_file == f'{folder}/lists/unlabeled.txt'
        assert each.like.metainfo.classes == ("farmer's soil", 'weed')


def test_the_masks_of_the_project(written):
    cfg, folder = written(masks=None)
    assert cfg.val_dataloader.dataset.data_prefix.seg_map_path == f'{folder}/annotations'


def test_a_small_gpu_halves_the_batch(written):
    assert written(halve_batch=True)[0].train_dataloader.batch_size == 4
    cfg, _ = written('memory_bank', halve_batch=True)
    assert cfg.train_dataloader.sampler == dict(
        type='MultiSourceSampler', batch_size=3, source_ratio=[2, 1]
    )
    assert written('supervised', halve_batch=True)[0].train_dataloader.batch_size == 2


def test_a_batch_holds_each_image_once(written):
    assert written(number=3)[0].train_dataloader.batch_size == 6
    assert written('memory_bank', number=3)[0].train_dataloader.batch_size == 3
    assert written('supervised', number=3)[0].train_dataloader.batch_size == 3
    assert 'each of the 3 is seen 60 times' in (written(number=3)[1] / 'dataset.py').read_text()
    with pytest.raises(
        SetupError, match=r'--method memory_bank: a step takes 2 \+ 1 images, and there'
    ):
        written('memory_bank', number=1)


@pytest.mark.parametrize(('backbone', 'lr'), [('mobilenetv2', 5e-4), ('fpn_r18-narrow', 1e-3)])
def test_the_optimiser_is_that_of_the_net_if_it_has_one(written, backbone, lr):
    assert written(backbone=backbone)[0].optim_wrapper.optimizer.lr == lr


def test_a_net_of_ones_own(written, tmp_path):
    path = tmp_path / 'net.py'
    path.write_text("model = dict(decode_head=dict(type='FCNHead', num_classes=2))\n")
    assert written(backbone=str(path))[0].model.decode_head.type == 'FCNHead'


@pytest.mark.parametrize(
    ('method', 'backbone', 'said'),
    [
        ('c4', 'mobilenetv2', '--method c4: there is none; give one of c3semiseg, csc,'),
        ('supervised', 'mobilenetv2', '--method supervised: there is none; give one of'),
        ('csc', 'vgg', '--backbone vgg: there is no such net; give one of '),
        ('csc', 'gone.py', '--backbone gone.py: there is no such net'),
        ('csc', 'stdc1', '--backbone stdc1: the net has auxiliary heads'),
    ],
)
def test_what_there_is_not(method, backbone, said):
    with pytest.raises(SetupError) as caught:
        check(Recipe(CONFIGS, method, backbone))
    assert said in str(caught.value)


def test_a_net_without_a_head(tmp_path):
    (tmp_path / 'net.py').write_text('model = dict(decode_head=[])\n')
    with pytest.raises(SetupError, match='has no decode_head with num_classes'):
        check(Recipe(CONFIGS, 'csc', str(tmp_path / 'net.py')))


def test_each_choice_has_a_comment(written):
    _, folder = written()
    lines = (folder / 'dataset.py').read_text().splitlines()
    for name in ('image_scale', 'steps', 'num_workers', 'images'):
        [at] = [index for index, line in enumerate(lines) if line.startswith(f'{name} = ')]
        assert lines[at - 1].startswith('# '), name
    text = '\n'.join(lines)
    assert 'Photos have 640 x 480 pixels' in text and 'a CPU with 4 cores' in text
    assert 'each of the 40 is seen 6 times' in text
