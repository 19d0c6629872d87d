"""A tiny network and tiny batches for the tests of models and engine."""

import copy
import math

import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.data import Dataset

from mmseg_contrast.models.decode_heads import ConvProjector
from mmseg_contrast.models.selectors.top_class import top_class
from mmseg_contrast.structures import SemiStep

IGNORE = 255
CHANNELS = 6


@MODELS.register_module(force=True)
class TinyBackbone(BaseModule):
    """Two stages of convolution, batch norm and ReLU, at 1/2 and 1/4 of the image."""

    def __init__(self, channels=CHANNELS, bn=True, init_cfg=None):
        super().__init__(init_cfg)
        norm = nn.BatchNorm2d if bn else (lambda _: nn.Identity())
        self.stage1 = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1), norm(channels), nn.ReLU(inplace=True)
        )
        self.stage2 = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 2, 1), norm(channels), nn.ReLU(inplace=True)
        )

    def forward(self, x):
        first = self.stage1(x)
        return first, self.stage2(first)


def head_cfg(num_classes=3, bn=True, **kwargs):
    return {
        'type': 'FCNHead',
        'in_channels': CHANNELS,
        'in_index': 1,
        'channels': CHANNELS,
        'num_convs': 1,
        'concat_input': False,
        'dropout_ratio': 0,
        'num_classes': num_classes,
        'out_channels': num_classes,
        'norm_cfg': {'type': 'BN'} if bn else None,
        'align_corners': False,
        'loss_decode': {'type': 'PixelCrossEntropyLoss'},
        **kwargs,
    }


@MODELS.register_module(force=True)
class VisibleProjector(ConvProjector):
    """With the paper's N(0, 0.01) two layers make vectors of 1e-4; these are of size 1."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, parameter in self.named_parameters():
            if 'weight' in name:
                parameter.data.mul_(50)


def contrast_cfg(**kwargs):
    return {
        'type': 'PixelContrastHead',
        'in_channels': CHANNELS,
        'channels': 5,
        'in_index': 1,
        'samples_per_class': 4,
        'projector': {'type': 'VisibleProjector'},
        **kwargs,
    }


def preprocessor_cfg(size=(32, 32), **kwargs):
    return {
        'type': 'MultiBranchDataPreprocessor',
        'mean': [127.5] * 3,
        'std': [64.0] * 3,
        'bgr_to_rgb': True,
        'size': size,
        **kwargs,
    }


def plain_cfg(num_classes=3, size=(32, 32), bn=True, **kwargs):
    """Config of MMSeg's own segmentor."""
    return {
        'type': 'EncoderDecoder',
        'data_preprocessor': preprocessor_cfg(size),
        'backbone': {'type': 'TinyBackbone', 'bn': bn},
        'decode_head': head_cfg(num_classes, bn),
        'train_cfg': {},
        'test_cfg': {'mode': 'whole'},
        **kwargs,
    }


def semi_cfg(num_classes=3, size=(32, 32), bn=True, **kwargs):
    """Config of the semi-supervised segmentor with all of C3-SemiSeg's parts."""
    return {
        **plain_cfg(num_classes, size, bn),
        'type': 'SemiSupervisedSegmentor',
        'auxiliary_head': [head_cfg(num_classes, bn, in_index=0), contrast_cfg()],
        'selector': {'type': 'DynamicConfidentRegionSelection', 'initial': 0.3},
        'mixing': {'type': 'CrossSetCutMix'},
        'unsup_loss': {'type': 'ConsistencyLoss', 'loss_weight': 2.0},
        **kwargs,
    }


def bank_contrast_cfg(**kwargs):
    return {
        'type': 'ClassBankContrastHead',
        'in_channels': CHANNELS,
        'channels': 5,
        'in_index': 'decode',
        'bank': {'type': 'ClassMemoryBank', 'size': 8},
        'bank_start': 0,
        'confidence': 0.3,
        **kwargs,
    }


#: A column of Table 1 of Alonso et al., for :class:`AugmentedViews`.
STRONG_VIEW = {
    'class_mix': 0.8,
    'flip': 0.5,
    'resize': 0.8,
    'jitter': 0.8,
    'brightness': 0.3,
    'contrast': 0.3,
    'saturation': 0.15,
    'hue': 0.1,
    'blur': 0.2,
}


#: Labelled and unlabelled images that :func:`memory_bank_cfg` believes in.
SET_SIZES = (10, 30)


def memory_bank_cfg(num_classes=3, size=(32, 32), bn=True, **kwargs):
    """Config of the semi-supervised segmentor with all parts of the class-wise memory bank."""
    return {
        **plain_cfg(num_classes, size, bn),
        'type': 'SemiSupervisedSegmentor',
        'auxiliary_head': [head_cfg(num_classes, bn, in_index=0), bank_contrast_cfg()],
        'selector': {'type': 'ConfidenceWeight', 'power': 6},
        'mixing': {'type': 'AugmentedViews', 'weak': STRONG_VIEW, 'strong': STRONG_VIEW},
        'unsup_loss': [
            {'type': 'ConsistencyLoss', 'hard': True, 'norm': 'all'},
            {'type': 'EntropyLoss', 'loss_weight': 0.1},
        ],
        'class_weights': {'type': 'MedianFrequencyWeights', 'momentum': 0.1, 'sizes': SET_SIZES},
        'views': [{'branch': 'weak'}],
        **kwargs,
    }


def build(cfg, train=True):
    """Build and initialise a segmentor."""
    model = MODELS.build(ConfigDict(copy.deepcopy(cfg)))
    model.init_weights()
    return model.train(train)


def separate_teacher(model):
    """Give the teacher weights of its own."""
    with torch.no_grad():
        for param in model.teacher.parameters():
            param.add_(0.1 * torch.randn_like(param))


def data_sample(label):
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.as_tensor(label)[None].long()))
    sample.set_metainfo({'img_shape': tuple(label.shape), 'ori_shape': tuple(label.shape)})
    return sample


def random_image(size):
    return torch.randint(0, 256, (3, *size), dtype=torch.uint8)


def random_label(size, num_classes=3, ignored=0.1):
    label = torch.randint(0, num_classes, size)
    return label.masked_fill(torch.rand(size) < ignored, IGNORE)


def random_batch(
    num_labeled=2, num_unlabeled=2, size=(32, 32), num_classes=3, ignored=0.1, num_source=0
):
    """What the loader gives: a list for each branch, with None for samples of the other sources."""
    branches = ('sup', 'source', 'weak', 'strong')
    batch = {key: {name: [] for name in branches} for key in ('inputs', 'data_samples')}

    def append(**present):
        for name in branches:
            image, sample = present.get(name, (None, None))
            batch['inputs'][name].append(image)
            batch['data_samples'][name].append(sample)

    for _ in range(num_labeled):
        append(sup=(random_image(size), data_sample(random_label(size, num_classes, ignored))))
    for _ in range(num_source):
        append(source=(random_image(size), data_sample(random_label(size, num_classes, ignored))))
    for _ in range(num_unlabeled):
        valid_map = random_label(size, 1, ignored)
        append(
            weak=(random_image(size), data_sample(valid_map)),
            strong=(random_image(size), data_sample(valid_map)),
        )
    return batch


def make_step(student, labeled=None, pseudo=None, num_in_domain=None, **more):
    """A step in which a missing half has no image."""
    some = pseudo if labeled is None else labeled
    labeled = some[:0] if labeled is None else labeled
    pseudo = some[:0] if pseudo is None else pseudo
    number = len(labeled) if num_in_domain is None else num_in_domain
    return SemiStep(student, labeled, pseudo, number, **more)


def prepared(model, batch):
    """Return images and samples of a batch as ``loss`` takes them."""
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    return data['inputs'], data['data_samples']


def total_loss(model, losses):
    return model.parse_losses(losses)[0]


def set_iter(iteration):
    """Let models believe that training is at this iteration."""
    MessageHub.get_current_instance().update_info('iter', iteration)


def select(selector, probs, valid):
    """Call a selector as a training step does."""
    return selector(probs, top_class(probs), valid)


def sure_logits(margin, dtype=torch.float32, size=(160, 160), num_classes=5):
    """Class 1 leads by N(margin, 3), class 2 by N(2, 3), class 3 by little."""
    labels = torch.randint(1, 4, size)
    lead = torch.stack([torch.zeros(size), *(3 * torch.randn(3, *size) + 2)])
    lead[1] += margin - 2
    lead[3] *= 0.1
    logits = torch.zeros(num_classes, *size)
    logits.scatter_(0, labels[None], lead.gather(0, labels[None]))
    return logits[None].to(dtype)


def exact_selection(logits, valid, keep_ratio):
    """The pixels of highest confidence of each predicted class, by sorting doubts of float64."""
    logits = logits.double()
    labels = logits.argmax(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1)
    doubt = others - logits.amax(1)
    mask = torch.zeros_like(valid)
    for c in range(logits.shape[1]):
        own = (labels == c) & valid
        ranked = doubt[own].sort().values
        if len(ranked):
            last = ranked[min(math.floor(len(ranked) * keep_ratio), len(ranked) - 1)]
            mask |= own & (doubt <= last)
    return mask


def without_gradient(model):
    """Return the names of trainable parameters that got no gradient."""
    return [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


class TinySemiDataset(Dataset):
    """Alternates labelled and unlabelled samples; or, for validation, ordinary ones."""

    metainfo = {'classes': ('a', 'b', 'c'), 'palette': [[0, 0, 0], [1, 1, 1], [2, 2, 2]]}

    def __init__(self, length=8, branches=True, size=(16, 16)):
        generator = torch.Generator().manual_seed(3)
        self.images = torch.randint(0, 256, (length, 3, *size), generator=generator).byte()
        self.labels = (self.images.float().mean(1) / 86).long().clamp(max=2)
        self.branches = branches

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, sample = self.images[index], data_sample(self.labels[index])
        if not self.branches:
            return {'inputs': image, 'data_samples': sample}
        valid = data_sample(torch.zeros_like(self.labels[index]))
        rows = {'sup': (image, sample), 'weak': (None, None), 'strong': (None, None)}
        if index % 2:
            rows = {'sup': (None, None), 'weak': (image, valid), 'strong': (255 - image, valid)}
        return {
            'inputs': {name: row[0] for name, row in rows.items()},
            'data_samples': {name: row[1] for name, row in rows.items()},
        }


def runner_cfg(work_dir, model, max_iters=6, accumulative_counts=1, hooks=(), **kwargs):
    """Config of a training on :class:`TinySemiDataset`, on the CPU and without validation."""
    from mmseg.registry import DATASETS

    DATASETS.register_module(module=TinySemiDataset, force=True)
    return {
        'model': ConfigDict(copy.deepcopy(model)),
        'work_dir': str(work_dir),
        'default_scope': 'mmseg',
        'randomness': {'seed': 0},
        'log_level': 'WARNING',
        'train_dataloader': {
            'batch_size': 4,
            'num_workers': 0,
            'sampler': {'type': 'InfiniteSampler', 'shuffle': False},
            'dataset': {'type': 'TinySemiDataset'},
        },
        'train_cfg': {'type': 'IterBasedTrainLoop', 'max_iters': max_iters, 'val_interval': 1000},
        'optim_wrapper': {
            'type': 'OptimWrapper',
            'optimizer': {'type': 'SGD', 'lr': 0.1},
            'accumulative_counts': accumulative_counts,
        },
        'default_hooks': {
            'logger': {'type': 'LoggerHook', 'interval': 100},
            'checkpoint': {'type': 'CheckpointHook', 'interval': 1000, 'by_epoch': False},
        },
        'custom_hooks': list(hooks),
        **kwargs,
    }


def validation_cfg(val_interval, max_iters, **val_cfg):
    """Entries of a runner's config that validate both branches."""
    return {
        'train_cfg': {
            'type': 'IterBasedTrainLoop',
            'max_iters': max_iters,
            'val_interval': val_interval,
        },
        'val_dataloader': {
            'batch_size': 1,
            'num_workers': 0,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'dataset': {'type': 'TinySemiDataset', 'branches': False, 'length': 3},
        },
        'val_cfg': {'type': 'TeacherStudentValLoop', **val_cfg},
        'val_evaluator': {'type': 'IoUMetric', 'iou_metrics': ['mIoU']},
    }


def batch_of_labels(*labels, branch=None):
    """Return a collated batch of these label maps, on the host; with a branch, beside an empty place."""
    samples = []
    for number, label in enumerate(labels):
        sample = SegDataSample(gt_sem_seg=PixelData(data=torch.tensor([label])))
        sample.set_metainfo({'img_path': f'{number}.jpg', 'seg_map_path': f'masks/{number}.png'})
        samples.append(sample)
    return {'data_samples': {branch: [None, *samples]} if branch else samples}
