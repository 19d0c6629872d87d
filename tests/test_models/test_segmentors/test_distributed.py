"""Two processes with batch B take the step of one process with batch 2B."""

import math

import pytest
import torch
from distributed_step import (
    SURE_MARGINS,
    bank_cfg,
    bank_steps,
    burn_in_cfg,
    csc_cfg,
    csc_steps,
    model_and_batch,
    other_csc_cfg,
    run,
    step,
    sure_batch,
    sure_selections,
)

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason='torch was built without gloo',
)


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    # Forked: importing everything anew would take most of the test's time.
    torch.multiprocessing.start_processes(run, (2, str(folder)), nprocs=2, start_method='fork')
    return {
        name: [torch.load(folder / f'{name}{rank}.pth') for rank in range(2)]
        for name in (
            '',
            'sure_',
            'stats_',
            'other_stats_',
            'burn_in_',
            'own_keys_',
            'ignored_',
            'bank_',
            'csc_',
            'other_csc_',
        )
    }


def test_thresholds_losses_and_gradients_are_equal(ranks):
    whole = step(*model_and_batch())
    first, second = ranks['']
    assert torch.equal(first['thresholds'], second['thresholds'])
    # Networks round half a batch in another way than all of it, by which a doubt, at most 1, gets into the
    # next bin: 2 ** -14 of it.
    torch.testing.assert_close(first['thresholds'], whole['thresholds'], rtol=0, atol=2**-13)
    assert not torch.equal(whole['thresholds'], torch.full((3,), 0.3))
    for name, value in whole['losses'].items():
        mean = (first['losses'][name] + second['losses'][name]) / 2
        torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-6, msg=name)
    for name, value in whole['grads'].items():
        assert torch.equal(first['grads'][name], second['grads'][name]), name
        assert float(value.abs().sum()) > 0, name
        torch.testing.assert_close(first['grads'][name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_sure_classes_have_their_share_of_the_joint_batch(ranks):
    masks = [torch.cat(pair) for pair in zip(*ranks['sure_'])]
    for i, (mask, whole) in enumerate(zip(masks, sure_selections())):
        logits, valid = sure_batch(SURE_MARGINS[i // 2])
        logits = logits.to((torch.float32, torch.bfloat16)[i % 2]).double()
        labels = logits.argmax(1)
        doubt = logits.softmax(1).scatter(1, labels.unsqueeze(1), 0).sum(1)
        for c in range(1, 4):
            own = (labels == c) & valid
            # A processor may round half a batch in another way than all of it, by which a doubt gets into
            # the next bin: 2 ** -14 of it.
            near = (doubt / doubt[own & (whole > 0)].max() - 1).abs() < 2**-13
            assert torch.equal(mask[own & ~near], whole[own & ~near])
            assert float(near[own].float().mean()) < 0.01
            shares = [float(mask[k][(labels == c)[k] & valid[k]].mean()) for k in range(2)]
            assert float(mask[(labels == c) & valid].mean()) == pytest.approx(0.6, abs=0.01)
            assert c != 1 or shares[0] > shares[1] + 0.05, 'not of each image'


def test_statistics_are_those_of_all_processes(ranks):
    for stats in ranks['stats_']:
        assert stats['ratio'][:2] == pytest.approx([3 / 16, 3 / 4])
        assert math.isnan(stats['ratio'][2])
        assert (stats['mean'], stats['ramp']) == (0.5, 0.5)


def test_a_process_may_lack_statistics_of_another(ranks):
    for filled, empty in ranks['other_stats_']:
        assert filled == {'own1': 0.5, 'both_per_class': [1.5, 5.0], 'count': 0.5}
        assert empty == {}


def test_keys_of_one_process_or_of_all(ranks):
    name = 'contrast.loss_contrast'
    # All keys, with a gradient: the step of one process with the joint batch.
    whole = step(*model_and_batch(burn_in_cfg()))
    first, second = ranks['burn_in_']
    mean = (first['losses'][name] + second['losses'][name]) / 2
    torch.testing.assert_close(mean, whole['losses'][name], rtol=1e-4, atol=1e-6)
    for key, value in whole['grads'].items():
        torch.testing.assert_close(first['grads'][key], value, rtol=1e-3, atol=1e-5, msg=key)
    # Its own keys: the sum of what each process has alone, over the anchors of both.
    total = number = 0
    for i in range(2):
        model, images, samples = model_and_batch(burn_in_cfg())
        part = slice(i, i + 1)
        parts = {k: v[part] for k, v in images.items()}, {k: v[part] for k, v in samples.items()}
        loss = model.loss(*parts)[name].item()
        anchors = model.running_stats.pop()['contrast.anchors']
        total, number = total + loss * anchors, number + anchors
    own = sum(result['losses'][name].item() for result in ranks['own_keys_']) / 2
    assert own == pytest.approx(total / number, rel=1e-4)
    assert abs(own / mean.item() - 1) > 1e-2, 'other keys are other negatives'


def test_the_batch_tells_a_mean_of_means_apart():
    # Each image's own step, averaged: what processes that did not share their counts would take.
    model, images, samples = model_and_batch()
    whole = step(model, images, samples)['losses']
    parts = [
        model.loss(
            {name: image[i : i + 1] for name, image in images.items()},
            {name: row[i : i + 1] for name, row in samples.items()},
        )
        for i in range(2)
    ]
    for name in ('sup.decode.loss_ce', 'contrast.loss_contrast'):
        naive = (parts[0][name] + parts[1][name]).item() / 2
        assert abs(naive / whole[name].item() - 1) > 1e-3, name


def test_a_step_without_labels_ends_in_every_process(ranks):
    for result in ranks['ignored_']:
        assert result['losses']['sup.decode.loss_ce'] == 0
        assert all(torch.isfinite(grad).all() for grad in result['grads'].values())


def test_bank_class_weights_losses_and_gradients_are_equal(ranks):
    whole = bank_steps(*model_and_batch(bank_cfg()))
    first, second = ranks['bank_']
    for key, value in whole['state'].items():
        assert torch.equal(first['state'][key], second['state'][key]), key
        torch.testing.assert_close(first['state'][key], value, rtol=1e-4, atol=1e-5, msg=key)
    assert whole['state']['auxiliary_head.1.bank.count'].min() > 0
    for name in ('first', 'second'):
        for key, value in whole[name]['losses'].items():
            mean = (first[name]['losses'][key] + second[name]['losses'][key]) / 2
            torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-6, msg=key)
        for key, value in whole[name]['grads'].items():
            assert torch.equal(first[name]['grads'][key], second[name]['grads'][key]), key
            torch.testing.assert_close(
                first[name]['grads'][key], value, rtol=1e-3, atol=1e-5, msg=key
            )
    assert whole['second']['losses']['contrast.loss_contrast'] > 0
    for key, value in whole['second']['grads'].items():
        assert value.abs().sum() > 0, key


@pytest.mark.parametrize(('name', 'cfg'), [('csc_', csc_cfg), ('other_csc_', other_csc_cfg)])
def test_csc_bank_and_gradients_are_those_of_one_process(ranks, name, cfg):
    whole = csc_steps(*model_and_batch(cfg()))
    first, second = ranks[name]
    for name, value in first['state'].items():
        assert torch.equal(value, second['state'][name]), f'{name} differs between the ranks'
    state, expected = first['state'], whole['state']
    same = {'count', 'pointer', 'sums', 'separ_best', 'accepted', 'rejects', 'confidence'}
    for name in same & expected.keys():
        torch.testing.assert_close(state[name], expected[name], rtol=1e-4, atol=1e-4, msg=name)
    for name in ('running_means', 'drift'):
        torch.testing.assert_close(state[name], expected[name], rtol=1e-4, atol=1e-4, msg=name)
    # The same rows, in another order: rank by rank.
    for c, count in enumerate(expected['count']):
        rows, own = expected['rows'][c, :count], state['rows'][c, :count]
        distance = torch.cdist(rows, own, compute_mode='donot_use_mm_for_euclid_dist')
        assert float(distance.amin(0).max()) < 1e-4 and float(distance.amin(1).max()) < 1e-4
    assert torch.isfinite(state['separ_best']) and state['count'].min() > 0
    assert 'confidence' not in state or state['confidence'].min() > 0
    for part in ('first', 'second'):
        for name, value in whole[part]['losses'].items():
            mean = (first[part]['losses'][name] + second[part]['losses'][name]) / 2
            torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-6, msg=name)
        for name, value in whole[part]['grads'].items():
            got = first[part]['grads'][name]
            assert torch.equal(got, second[part]['grads'][name]), name
            torch.testing.assert_close(got, value, rtol=1e-3, atol=1e-4, msg=name)
    contrast = 'contrast.loss_contrast'
    assert (
        abs(float(whole['second']['losses'][contrast] / whole['first']['losses'][contrast]) - 1)
        > 0.01
    )
