# Label-efficient contrastive pretraining (Zhao et al., ICCV 2021) for any `EncoderDecoder`.
# In a config with this base that pretrains:
#     labeled_branches = _base_.two_views
#     train_dataloader = train_loader(globals())
#     model = dict(**_base_.pretrainer, data_preprocessor=...)
# and in one that fine-tunes:
#     colors = dict(jitter=_base_.brightness_and_contrast)
#     train_dataloader = train_loader(globals())
pretrainer = dict(
    type='ContrastivePretrainer',
    loss_size=(65, 65),
    distortion_prob=0.8,
    loss_contrast=dict(
        type='SupervisedContrastLoss', variant='within_image', temperature=0.07, num_samples=None
    ),
)
# the colours of SimCLR at strength 1; how often an image is distorted at all is `distortion_prob`
two_views = dict(
    sup={},
    distorted=dict(
        jitter=dict(type='ColorJitter', brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2),
        grayscale=dict(
            type='RandomGrayscale',
            prob=0.2,
            keep_channels=True,
            channel_weights=(0.114, 0.587, 0.299),
        ),
    ),
)
brightness_and_contrast = dict(
    type='ColorJitter', brightness=0.8, contrast=0.8, saturation=0, hue=0, prob=0.8
)
val_cfg = dict(type='ValLoop')
