# What all methods with unlabelled images share: as many of them, their views, and the teacher's start
_base_ = './recipe.py'

preprocessor = 'MultiBranchDataPreprocessor'
batch_size = 8
source_ratio = [1, 1]
strong = dict(
    jitter=dict(
        type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25, prob=0.8
    ),
    grayscale=dict(
        type='RandomGrayscale', prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
    blur=dict(type='RandomGaussianBlur', prob=0.5),
)
branches = dict(weak={}, strong=strong)
# First labels alone, then the teacher starts as a copy: averaged from the first step on, it calls most of
# the pixels by the name of one class for long. The losses on pseudo-labels come in as slowly.
semi_train_cfg = dict(burn_in=0.3)
ramp = dict(start='burn_in', length=0.3)
