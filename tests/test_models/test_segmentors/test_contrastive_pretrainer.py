import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from helpers import (
    CHANNELS,
    TinySemiDataset,
    build,
    data_sample,
    plain_cfg,
    preprocessor_cfg,
    random_image,
    random_label,
    runner_cfg,
    set_iter,
    total_loss,
    without_gradient,
)
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_state_dict
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import DATASETS, MODELS
from sync_counter import SyncCounter

from mmseg_contrast.engine.hooks import SemiDiagnosticsHook
from mmseg_contrast.models.losses import supervised_contrast
from mmseg_contrast.problem import SetupError

SIZE = (32, 32)
NORM = {'type': 'BN'}
CLASSIFIER = {'decode_head.conv_seg.weight', 'decode_head.conv_seg.bias'}


def cfg(**kwargs):
    heads = [plain_cfg()['decode_head']]
    options = {'loss_size': None, 'projector': {'out_channels': 5}, **kwargs}
    return {**plain_cfg(auxiliary_head=heads), 'type': 'ContrastivePretrainer', **options}


def batch(model, number=3, size=SIZE, distorted=True, ignored=0.1):
    rows = [(random_image(size), random_image(size)) for _ in range(number)]
    samples = [data_sample(random_label(size, ignored=ignored)) for _ in range(number)]
    data = {
        'inputs': {'sup': [row[0] for row in rows]},
        'data_samples': {'sup': samples},
    }
    if distorted:
        data['inputs']['distorted'] = [row[1] for row in rows]
        data['data_samples']['distorted'] = samples
    data = model.data_preprocessor(data, training=True)
    return data['inputs'], data['data_samples']


def by_hand(model, images, other, samples, rows):
    """The loss from two separate forward passes; ``rows`` says which images are distorted."""
    views = []
    for view in (images, other):
        features = model.decode_head.forward(model.extract_feat(view))
        projected = model.projector(features)
        views.append(F.normalize(projected, dim=1).flatten(2).transpose(1, 2))
    mask = torch.tensor(rows).view(-1, 1, 1)
    keys = torch.where(mask, views[1], views[0])
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples])
    stride = SIZE[0] // features.shape[2]
    labels = labels[:, stride // 2 :: stride, stride // 2 :: stride].flatten(1)
    loss, count = supervised_contrast(views[0], keys, labels, labels, 0.07, 3)
    return loss.mean(), count.sum()


@pytest.mark.parametrize('prob', [0.0, 0.5, 1.0])
def test_equals_two_forward_passes(prob, monkeypatch):
    model = build(cfg(distortion_prob=prob)).eval()
    inputs, samples = batch(model)
    seen = []
    forward = model.backbone.forward
    monkeypatch.setattr(model.backbone, 'forward', lambda x: seen.append(len(x)) or forward(x))
    monkeypatch.setattr(torch, 'rand', lambda n: torch.tensor([0.9, 0.1, 0.45][:n]))
    losses = model.loss(inputs, samples)
    rows = [coin < prob for coin in (0.9, 0.1, 0.45)]
    assert seen == [3 + sum(rows)], 'the features of an image that is its own view are made once'
    expected, pixels = by_hand(model, inputs['sup'], inputs['distorted'], samples['sup'], rows)
    torch.testing.assert_close(losses['contrast.loss_contrast'], expected)
    assert model.running_stats.pop() == {'contrast.anchors': pixels}


def test_without_branches_each_image_is_its_own_view():
    model = build(cfg()).eval()
    inputs, samples = batch(model)
    expected, _ = by_hand(model, inputs['sup'], inputs['sup'], samples['sup'], [False] * 3)
    for images, labels in (
        (inputs['sup'], samples['sup']),
        ({'sup': inputs['sup']}, {'sup': samples['sup']}),
    ):
        torch.testing.assert_close(model.loss(images, labels)['contrast.loss_contrast'], expected)


def test_coins_have_the_probability_of_the_paper():
    model = build(cfg())
    counts = [len(model._distorted(10)) for _ in range(300)]
    assert sum(counts) / 3000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize('loss_size', [(3, 5), (20, 20)])
def test_features_are_resized_before_they_are_normalised(loss_size):
    model = build(cfg(loss_size=loss_size)).eval()
    inputs, samples = batch(model)
    embedding = model.embed(inputs['sup'])
    assert embedding.shape == (3, 5, *loss_size)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3, *loss_size))
    projected = model.projector(model(inputs['sup']))
    resized = F.interpolate(projected, loss_size, mode='bilinear', align_corners=False)
    torch.testing.assert_close(embedding, F.normalize(resized, dim=1))
    assert torch.isfinite(model.loss(inputs, samples)['contrast.loss_contrast'])


def test_projector_is_that_of_the_paper():
    model = build({**plain_cfg(), 'type': 'ContrastivePretrainer'})
    layers = [type(layer).__name__ for layer in model.projector.layers]
    assert layers == ['Conv2d', 'ReLU', 'Conv2d', 'ReLU', 'Conv2d']
    shapes = [tuple(p.shape) for n, p in model.projector.named_parameters() if 'weight' in n]
    assert shapes == [(256, CHANNELS, 1, 1), (256, 256, 1, 1), (256, 256, 1, 1)]
    assert model.loss_size == (65, 65)
    assert (model.loss_contrast.temperature, model.loss_contrast.include_self) == (0.07, True)


@pytest.mark.parametrize('ignored', [0.1, 1.1])
@pytest.mark.parametrize('variant', ['within_image', 'batch', 'hybrid'])
def test_every_parameter_gets_a_gradient(variant, ignored):
    model = build(cfg(loss_contrast={'variant': variant}))
    loss = total_loss(model, model.loss(*batch(model, ignored=ignored)))
    loss.backward()
    loss = loss.detach()
    assert without_gradient(model) == []
    grads = [p.grad for p in model.parameters()]
    assert all(torch.isfinite(grad).all() for grad in grads)
    if ignored > 1:
        assert float(loss) == 0 and all((grad == 0).all() for grad in grads)


def test_its_checkpoint_fine_tunes_in_plain_mmseg():
    model = build(cfg())
    plain = build(plain_cfg(auxiliary_head=[plain_cfg()['decode_head']]))
    own, theirs = model.state_dict(), plain.state_dict()
    shared = {k for k in theirs if not k.startswith('auxiliary_head.')} - CLASSIFIER
    assert shared == {k for k in own if not k.startswith('projector.')}
    before = theirs['decode_head.conv_seg.weight'].clone()
    load_state_dict(plain, own)
    for key in shared:
        assert torch.equal(plain.state_dict()[key], own[key]), key
    assert torch.equal(plain.state_dict()['decode_head.conv_seg.weight'], before)


HEADS = {
    'FCNHead': {'num_convs': 1},
    'PSPHead': {'pool_scales': (1, 2)},
    'ASPPHead': {'dilations': (1, 2)},
    'DepthwiseSeparableASPPHead': {'dilations': (1, 2), 'c1_in_channels': 6, 'c1_channels': 4},
    'SegformerHead': {'in_channels': [6, 6], 'in_index': [0, 1]},
    'UPerHead': {'in_channels': [6, 6], 'in_index': [0, 1], 'pool_scales': (1, 2)},
    # These return further outputs beside the map that they classify.
    'DAHead': {'pam_channels': 4},
    'EncHead': {'in_channels': [6, 6], 'in_index': [0, 1], 'num_codes': 4, 'add_lateral': True},
    'FPNHead': {'in_channels': [6, 6], 'in_index': [0, 1], 'feature_strides': [2, 4]},
}


@pytest.mark.parametrize('kind', HEADS)
def test_any_decode_head_up_to_its_classifier(kind):
    head = {
        'type': kind,
        'in_channels': CHANNELS,
        'in_index': 1,
        'channels': 8,
        'num_classes': 3,
        'norm_cfg': NORM,
        'dropout_ratio': 0,
        'align_corners': False,
        **HEADS[kind],
    }
    model = build({**cfg(), 'decode_head': head}).eval()
    plain = build({**plain_cfg(), 'decode_head': head}, train=False)
    load_state_dict(plain, model.state_dict())
    inputs, samples = batch(model)
    seen = []
    plain.decode_head.conv_seg.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    plain(inputs['sup'])
    torch.testing.assert_close(model(inputs['sup']), seen[0])
    loss = total_loss(model, model.loss(inputs, samples))
    loss.backward()
    assert without_gradient(model) == []
    assert 'seen' not in vars(model.decode_head.conv_seg), 'it would keep the graph alive'
    # What the fine-tuning has to make anew is the classifier, and it can train.
    assert plain.state_dict().keys() - model.state_dict().keys() == CLASSIFIER
    total_loss(plain, plain.loss(inputs['sup'], samples['sup'])).backward()
    assert without_gradient(plain) == []


def test_the_feature_is_that_before_the_dropout_of_the_decode_head():
    torch.manual_seed(0)
    head = {**cfg()['decode_head'], 'dropout_ratio': 0.5}
    dropped = build({**cfg(), 'decode_head': head}).train()
    plain = build(cfg()).train()
    load_state_dict(plain, dropped.state_dict())
    inputs, _ = batch(plain)
    torch.testing.assert_close(dropped.embed(inputs['sup']), plain.embed(inputs['sup']))


@pytest.mark.parametrize(
    ('kind', 'others'),
    [('DAHead', ['pam_conv_seg', 'cam_conv_seg']), ('EncHead', ['se_layer'])],
)
def test_further_outputs_of_a_head_change_nothing(kind, others):
    head = {**cfg()['decode_head'], 'type': kind, 'loss_decode': {'type': 'CrossEntropyLoss'}}
    for key in ('num_convs', 'concat_input', 'out_channels'):
        head.pop(key)
    head.update(HEADS[kind])
    model = build({**cfg(distortion_prob=0), 'decode_head': head})
    inputs, samples = batch(model)
    results = []
    for _ in range(2):
        model.zero_grad()
        losses = model.loss(inputs, samples)
        losses['contrast.loss_contrast'].backward()
        results.append([losses['contrast.loss_contrast'].detach()])
        for name, parameter in model.decode_head.named_parameters():
            if name.split('.')[0] in others:
                assert (parameter.grad == 0).all(), name
                parameter.data.mul_(-3)
            else:
                results[-1].append(parameter.grad.clone())
    assert len(results[0]) > 5 and all(map(torch.equal, *results))
    assert any((grad != 0).any() for grad in results[0][1:])


@MODELS.register_module(force=True)
class NeverClassifies(FCNHead):
    """Has a `conv_seg` that it does not use."""

    def forward(self, inputs):
        return self._forward_feature(inputs)


def test_a_head_that_does_not_call_its_classifier():
    head = {**cfg()['decode_head'], 'type': 'NeverClassifies'}
    model = build({**cfg(), 'decode_head': head})
    with pytest.raises(SetupError, match='NeverClassifies has one but does not call it: choose'):
        model.loss(*batch(model))


@pytest.mark.parametrize('ignored', [0.1, 1.1])
def test_the_diagnostics_tell_why_the_loss_is_zero(ignored):
    model = build(cfg())
    inputs, samples = batch(model, ignored=ignored)
    logged, warnings = {}, []
    runner = SimpleNamespace(
        model=model,
        iter=0,
        train_dataloader=SimpleNamespace(dataset=None),
        logger=SimpleNamespace(warning=warnings.append),
        message_hub=SimpleNamespace(update_scalar=logged.__setitem__),
    )
    hook = SemiDiagnosticsHook(interval=1, patience=2)
    hook.before_train(runner)
    for _ in range(2):
        loss = model.loss(inputs, samples)['contrast.loss_contrast']
        hook.after_train_iter(runner, 0)
    known = ignored < 1
    assert (logged['train/contrast.anchors'] > 0) == (float(loss) > 0) == known
    named = ['contrast.anchors has been 0 for 2 iterations' in w for w in warnings]
    assert named == ([] if known else [True])


class Views(TinySemiDataset):
    """Labelled images with a distorted view."""

    def __getitem__(self, index):
        image, sample = self.images[index], data_sample(self.labels[index])
        return {
            'inputs': {'sup': image, 'distorted': 255 - image},
            'data_samples': {'sup': sample, 'distorted': sample},
        }


def test_resumed_is_uninterrupted(tmp_path):
    """Coins, drawn pixels, momentum and learning rate of 4 steps are those of 2 and 2 more."""
    model = cfg(
        loss_size=(5, 5),
        distortion_prob=0.5,
        data_preprocessor=preprocessor_cfg((16, 16)),
        loss_contrast={'variant': 'batch', 'num_samples': 60},
    )
    DATASETS.register_module(module=Views, force=True)
    options = runner_cfg(tmp_path, model, 4, hooks=[{'type': 'StepSeedHook'}])
    options['train_dataloader']['dataset'] = {'type': 'Views'}
    options['optim_wrapper']['optimizer']['momentum'] = 0.9
    options['param_scheduler'] = [{'type': 'CosineAnnealingLR', 'T_max': 4, 'by_epoch': False}]
    options['default_hooks']['checkpoint']['interval'] = 2

    def ends(name, **kwargs):
        MessageHub._instance_dict.clear()
        cfg = {**copy.deepcopy(options), 'experiment_name': name, **kwargs}
        runner = Runner.from_cfg(Config(cfg))
        runner.train()
        return runner.model.state_dict(), runner.optim_wrapper.state_dict()['state']

    whole = ends('whole')
    resumed = ends('resumed', load_from=str(tmp_path / 'iter_2.pth'), resume=True)
    early = torch.load(tmp_path / 'iter_2.pth', weights_only=False)['state_dict']
    for key, value in whole[0].items():
        assert torch.equal(value, resumed[0][key]), key
    assert not torch.equal(
        early['projector.layers.0.weight'], whole[0]['projector.layers.0.weight']
    )
    for index, state in whole[1].items():
        momentum = resumed[1][index]['momentum_buffer']
        assert torch.equal(state['momentum_buffer'], momentum), index


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'distortion_prob': 1.5}, r'distortion_prob=1.5'),
        ({'loss_size': (0, 3)}, r'loss_size=\(0, 3\)'),
        (
            {
                'decode_head': {
                    'type': 'DeepLabV2Head',
                    'in_channels': CHANNELS,
                    'num_classes': 3,
                }
            },
            "classifies by 'conv_seg', DeepLabV2Head does not",
        ),
        ({'loss_contrast': {'variant': 'x'}}, "variant='x'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(ConfigDict(copy.deepcopy(cfg(**options))))


def test_it_predicts_nothing_and_says_so():
    model = build(cfg(), train=False)
    with pytest.raises(RuntimeError, match=r'has no classifier .* fine-tune its checkpoint'):
        model.test_step({'inputs': [random_image(SIZE)], 'data_samples': [data_sample(
            random_label(SIZE))]})  # fmt: skip
    with pytest.raises(ValueError, match=r"branch 'sup', the batch has \['weak'\]"):
        model.loss({'weak': torch.zeros(1, 3, *SIZE)}, {'weak': []})


def test_a_training_step_has_no_host_sync():
    model = build(cfg(loss_size=(9, 9)))
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    inputs, samples = batch(model)
    with SyncCounter() as counter:
        parsed, _ = model.parse_losses(model.loss(inputs, samples))
        optim_wrapper.update_params(parsed)
    assert dict(counter.counts) == {}


@pytest.mark.parametrize('variant', ['within_image', 'batch', 'hybrid'])
def test_a_training_step_runs_without_any_data(variant):
    model = build(cfg(loss_size=(9, 9), loss_contrast={'variant': variant}))
    inputs, samples = batch(model)
    model.to('meta')
    inputs = {name: image.to('meta') for name, image in inputs.items()}
    for sample in samples['sup']:
        sample.gt_sem_seg.data = sample.gt_sem_seg.data.to('meta')
    loss = total_loss(model, model.loss(inputs, samples))
    loss.backward()
    assert loss.device.type == 'meta' and without_gradient(model) == []


def test_bfloat16_autocast_keeps_the_loss_in_float32():
    model = build(cfg(loss_size=(9, 9), distortion_prob=1.0)).eval()
    inputs, samples = batch(model)
    expected = model.loss(inputs, samples)['contrast.loss_contrast']
    with torch.autocast('cpu', torch.bfloat16):
        loss = model.loss(inputs, samples)['contrast.loss_contrast']
        loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0.05, atol=0.05)
    assert without_gradient(model) == []


@pytest.mark.parametrize('size', [(33, 47), (17, 18)])
def test_odd_sizes_and_two_classes(size):
    model = build({**cfg(loss_size=(7, 6)), 'data_preprocessor': {
        'type': 'MultiBranchDataPreprocessor', 'size': size}})  # fmt: skip
    losses = model.loss(*batch(model, size=size, ignored=0.5))
    assert float(total_loss(model, losses).detach()) > 0


def test_compiled_step_is_the_same():
    model = build(cfg(loss_size=(5, 5), distortion_prob=1.0)).eval()
    inputs, samples = batch(model)
    expected = model.loss(inputs, samples)['contrast.loss_contrast']
    try:
        compiled = torch.compile(model, backend='eager')
        loss = compiled(inputs, samples, mode='loss')['contrast.loss_contrast']
        loss.backward()
    finally:
        torch.compiler.reset()
    torch.testing.assert_close(loss, expected)
    assert without_gradient(model) == []


def test_it_learns():
    set_iter(0)
    model = build(cfg(projector={'out_channels': 32}))
    inputs, samples = batch(model, ignored=0)
    # two colours, two classes
    labels = (torch.rand(3, 8, 8) < 0.5).long().repeat_interleave(4, 1).repeat_interleave(4, 2)
    for sample, label in zip(samples['sup'], labels):
        sample.gt_sem_seg.data = label[None]
    images = (2.0 * labels - 1).unsqueeze(1).expand(-1, 3, -1, -1)
    inputs = {'sup': images, 'distorted': images + 0.1 * torch.randn_like(images)}
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    history = []
    for _ in range(25):
        loss = total_loss(model, model.loss(inputs, samples))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert history[-1] < history[0] - 0.3, history
