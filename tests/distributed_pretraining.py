"""Steps of a contrastive pretraining and a labelling of images in one of several processes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from helpers import build, data_sample, plain_cfg
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope

import mmseg_contrast  # noqa: F401

SIZE = (16, 16)
VARIANTS = {
    'within_image': {'variant': 'within_image'},
    'batch': {'variant': 'batch'},
    # Of the 32 pixels of a process, or of the 64 of the batch, this leaves out ignored ones alone.
    'sampled_batch': {'variant': 'batch', 'num_samples': 30},
    'hybrid': {'variant': 'hybrid'},
}


def model_and_batch(variant, include_self=True):
    """The same model and joint batch in every process: 4 images, of which all are distorted."""
    init_default_scope('mmseg')
    torch.set_num_threads(1)
    torch.manual_seed(3)
    model = build(
        {
            **plain_cfg(size=SIZE),
            'type': 'ContrastivePretrainer',
            'loss_size': None,
            'projector': {'out_channels': 8},
            'distortion_prob': 1.0,
            'loss_contrast': {**VARIANTS[variant], 'include_self': include_self},
        }
    ).eval()
    with torch.no_grad():
        for param in model.parameters():
            param.add_(0.2 * torch.randn_like(param))
    images = {name: torch.randn(4, 3, *SIZE) for name in ('sup', 'distorted')}
    label = torch.randint(0, 3, (4, *SIZE))
    # Very different numbers of labels: a mean of the means of the processes would be wrong.
    label[0, 3:] = 255
    label[1] = 255
    label[2, 8:] = 255
    return model, images, [data_sample(x) for x in label]


def step(model, images, samples, owner=None):
    """Return loss and gradients of one step."""
    losses = model(images, dict.fromkeys(images, samples), mode='loss')
    owner = owner or model
    owner.parse_losses(losses)[0].backward()
    return {
        'loss': losses['contrast.loss_contrast'].detach(),
        'grads': {n: p.grad for n, p in owner.named_parameters()},
    }


def run(rank, world_size, folder):
    """Take the part of one process and write what came out."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=world_size
    )
    for variant in VARIANTS:
        for include_self in (True, False):
            result = part_of(rank, variant, include_self)
            torch.save(result, f'{folder}/{variant}_{include_self}_{rank}.pth')
    torch.distributed.destroy_process_group()


def part_of(rank, variant, include_self):
    """Return loss and gradients of one process; the model is gone before its process group.

    Were it to take the group with it, it would do so with the interpreter locked, which a thread of
    gloo may wait for: one run in ten never ended.
    """
    part = slice(2 * rank, 2 * rank + 2)
    model, images, samples = model_and_batch(variant, include_self)
    images = {name: image[part] for name, image in images.items()}
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
    return step(wrapped, images, samples[part], model)
