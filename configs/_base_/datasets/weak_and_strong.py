# Two views of each unlabelled image, as many unlabelled images as labelled ones; beside a data set in the
# bases of its `-semi` file
source_ratio = [1, 1]
branches = dict(
    weak={},
    strong=dict(
        jitter=dict(type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25),
        rand_augment=dict(type='RandAugmentColor'),
    ),
)
