# The class-wise memory bank's schedule as its code ran when the results were made: the optimiser stepped each
# tensor of the network three times, of the heads twice, of the stem once
_base_ = './schedule_150k_sgd.py'

optim_wrapper = dict(
    optimizer=dict(lr=6e-4),
    paramwise_cfg=dict(
        custom_keys={'auxiliary_head': dict(lr_mult=2 / 3), 'backbone.conv1': dict(lr_mult=1 / 3)}
    ),
)
