"""Training steps of one of several processes, for the tests that compare them with one process."""

import gc
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from helpers import (
    bank_contrast_cfg,
    build,
    contrast_cfg,
    data_sample,
    head_cfg,
    memory_bank_cfg,
    select,
    semi_cfg,
    sure_logits,
)
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope

from mmseg_contrast.models.selectors import DynamicConfidentRegionSelection
from mmseg_contrast.structures.running_stats import Ratio, RunningStats

SIZE = (16, 16)
SURE_MARGINS = (2, 8, 14)
#: What two processes count in two steps: parts and wholes of three classes.
RANK_COUNTS = (
    (((1, 0, 0), (4, 0, 0)), ((2, 0, 0), (2, 0, 0))),
    (((0, 3, 0), (10, 4, 0)), ((0, 0, 0), (0, 0, 0))),
)


def c3_cfg(contrast=None, **kwargs):
    return semi_cfg(
        size=SIZE,
        mixing=None,
        auxiliary_head=[
            head_cfg(in_index=0),
            contrast_cfg(samples_per_class=16, **(contrast or {})),
        ],
        selector={
            'type': 'DynamicConfidentRegionSelection',
            'keep_ratio': 0.6,
            'momentum': 0.5,
            'initial': 0.3,
        },
        **kwargs,
    )


def burn_in_cfg(**contrast):
    """C3-SemiSeg in its burn-in, with the gradient through both sides of the contrast."""
    return c3_cfg(
        {'key_gradient': True, 'loss_weight': 1.0, **contrast}, semi_train_cfg={'burn_in': 9}
    )


def bank_cfg():
    # Nothing is drawn at random: two views that are copies.
    contrast = bank_contrast_cfg(in_index=1, labeled_images=2, confidence=None, loss_weight=1.0)
    return memory_bank_cfg(
        size=SIZE,
        mixing={'type': 'AugmentedViews'},
        auxiliary_head=[head_cfg(in_index=0), contrast],
    )


def csc_cfg(selector=None, bank=None, **more):
    # All pixels are sampled, enqueued and kept, so nothing depends on what is drawn.
    contrast = contrast_cfg(
        type='CSCContrastHead',
        samples_per_class=16,
        enqueue_per_class=16,
        bank={
            'type': 'ConsistencySeparationModule',
            'size': 150,
            'min_fill': 0.0,
            'gate_range': 0.5,
            **(bank or {}),
        },
        **more,
    )
    return semi_cfg(
        size=SIZE,
        mixing=None,
        auxiliary_head=[head_cfg(in_index=0), contrast],
        selector=selector or {'type': 'AELMask', 'beta': 0.0, 'momentum': 0.5},
        unsup_loss={'type': 'ConsistencyLoss', 'loss_weight': 2.0, 'hard': True},
    )


def other_csc_cfg():
    """The other readings of what the paper leaves open, and the published code's."""
    return csc_cfg(
        {'type': 'EntropyPercentileMask', 'keep_ratio': 0.6},
        {'gate': 'official', 'pooled_mean': True},
        enqueue='pixels',
        bank_features='teacher',
        fallback='paper',
        anchor_filter=(0.5, 0.9),
        between_halves=True,
    )


def sure_batch(margin):
    """Two images of a sure teacher, of which the second has seven times as many valid pixels."""
    torch.manual_seed(margin)
    logits = torch.cat([sure_logits(margin), sure_logits(margin - 2)])
    valid = torch.rand(2, *logits.shape[2:]) < torch.tensor([0.1, 0.7]).view(2, 1, 1)
    return logits, valid


def sure_selections(part=slice(None)):
    """Select pixels of :func:`sure_batch` in float32 and, under autocast, bfloat16."""
    selected = []
    for margin in SURE_MARGINS:
        logits, valid = (x[part] for x in sure_batch(margin))
        for dtype in (torch.float32, torch.bfloat16):
            selector = DynamicConfidentRegionSelection(5, keep_ratio=0.6, momentum=1.0)
            with torch.autocast('cpu', torch.bfloat16, enabled=dtype == torch.bfloat16):
                probs = logits.to(dtype).float().softmax(1)
                selected.append(select(selector, probs, valid)[0])
    return selected


def model_and_batch(cfg=None):
    """The same model and joint batch in every process: 2 labelled and 2 unlabelled images."""
    init_default_scope('mmseg')
    torch.set_num_threads(1)
    torch.manual_seed(11)
    cfg = cfg or c3_cfg()
    model = build(cfg).eval()
    with torch.no_grad():
        for param in model.parameters():
            param.add_(0.2 * torch.randn_like(param))
    images = {name: torch.randn(2, 3, *SIZE) for name in ('sup', 'weak', 'strong')}
    label = torch.randint(0, 3, (2, *SIZE))
    # Very different numbers of labels: a mean of the means of the processes would be wrong.
    label[0, 3:] = 255
    valid = torch.zeros(2, *SIZE, dtype=torch.long)
    valid[1, :, 5:] = 255
    samples = {'sup': [data_sample(x) for x in label]}
    samples['weak'] = samples['strong'] = [data_sample(x) for x in valid]
    return model, images, samples


def step(model, images, samples, owner=None):
    """Return losses, gradients and thresholds of one step."""
    losses = model(images, samples, mode='loss')
    owner = owner or model
    owner.parse_losses(losses)[0].backward()
    grads = {n: p.grad for n, p in owner.named_parameters() if p.requires_grad}
    losses = {name: value.detach() for name, value in losses.items()}
    thresholds = getattr(owner.selector, 'thresholds', torch.zeros(0)).clone()
    return {'losses': losses, 'grads': grads, 'thresholds': thresholds}


def bank_steps(model, images, samples, owner=None):
    """Return what :func:`step` does of two steps, the second with a bank, and the bank."""
    owner = owner or model
    head = owner.auxiliary_head[1]
    # Their norm works on the joint batch by itself; batch norm needs SyncBN.
    for selectors in (head.selectors, head.memory_selectors):
        selectors.train()
    first = step(model, images, samples, owner)
    head.bank.commit()
    owner.zero_grad()
    second = step(model, images, samples, owner)
    head.bank.commit()
    names = ('bank', 'class_weights', 'selectors.norm')
    state = {k: v for k, v in owner.state_dict().items() if any(n in k for n in names)}
    state = {k: v.clone() for k, v in state.items() if not k.startswith('teacher')}
    return {'first': first, 'second': second, 'state': state}


def csc_steps(model, images, samples, owner=None):
    """Return what :func:`step` does of two steps, the second with a bank, and the state after them."""
    owner = owner or model
    bank = owner.auxiliary_head[1].bank
    first = step(model, images, samples, owner)
    bank.commit()
    owner.zero_grad()
    second = step(model, images, samples, owner)
    bank.commit()
    state = {**bank.state_dict(), **owner.selector.state_dict()}
    return {'first': first, 'second': second, 'state': {k: v.clone() for k, v in state.items()}}


def run(rank, world_size, folder):
    """Take the part of one process and write what came out."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=world_size
    )

    def own(cfg):
        model, images, samples = model_and_batch(cfg)
        part = slice(rank, rank + 1)
        images = {name: image[part] for name, image in images.items()}
        samples = {name: row[part] for name, row in samples.items()}
        wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
        return wrapped, images, samples, model

    stats = RunningStats()
    for part, whole in RANK_COUNTS[rank]:
        ratio = Ratio(torch.tensor(part), torch.tensor(whole))
        stats.add({'ratio': ratio, 'mean': torch.tensor(float(rank)), 'ramp': 0.5})
    torch.save(stats.pop(), f'{folder}/stats_{rank}.pth')
    # What the one counts the other may lack, or meet in another order.
    own_stats = {f'own{rank}': Ratio(torch.tensor(rank + 1), torch.tensor(4))}
    both = {'both_per_class': torch.tensor([1.0 + rank, 5.0]), 'count': torch.tensor(rank)}
    for part in (own_stats, both) if rank else (dict(reversed(both.items())),):
        stats.add(part)
    torch.save([stats.pop(), stats.pop()], f'{folder}/other_stats_{rank}.pth')
    torch.save(sure_selections(slice(rank, rank + 1)), f'{folder}/sure_{rank}.pth')
    for name, gather in (('burn_in', True), ('own_keys', False)):
        result = step(*own(burn_in_cfg(gather_keys=gather)))
        torch.save(result, f'{folder}/{name}_{rank}.pth')
    torch.save(bank_steps(*own(bank_cfg())), f'{folder}/bank_{rank}.pth')
    torch.save(csc_steps(*own(csc_cfg())), f'{folder}/csc_{rank}.pth')
    torch.save(csc_steps(*own(other_csc_cfg())), f'{folder}/other_csc_{rank}.pth')
    wrapped, images, samples, model = own(c3_cfg())
    torch.save(step(wrapped, images, samples, model), f'{folder}/{rank}.pth')

    # A step without a single label must not hang either.
    samples['sup'][0].gt_sem_seg.data.fill_(255)
    last = step(wrapped, images, samples, model)
    torch.save(last, f'{folder}/ignored_{rank}.pth')
    # A model that took the group with it would do so with the interpreter locked, which a thread of
    # gloo may wait for, for ever.
    del wrapped, model
    gc.collect()
    # No process may leave while another still talks to it.
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
