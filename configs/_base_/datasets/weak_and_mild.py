# As weak_and_strong.py, in weaker colours: a net from scratch has no features yet that survive more
source_ratio = [1, 1]
branches = dict(
    weak={},
    strong=dict(
        jitter=dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)
    ),
)
