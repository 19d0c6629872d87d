import numpy as np
import pytest

pytest.importorskip('skimage', reason='the textures come with scikit-image')
pytest.importorskip('sklearn', reason='the digits come with scikit-learn')

from mmseg_contrast.datasets.mosaic_generator import (
    CLASSES,
    HUES,
    OBJECT_CHANCES,
    MosaicConfig,
    draw_image,
    draw_images,
    load_digits,
    load_textures,
)


def test_every_class_has_a_rule():
    assert len(CLASSES) == 9
    assert set(CLASSES) == set(HUES)
    assert tuple(OBJECT_CHANCES) == CLASSES[3:]


def test_no_download_and_disjoint_material(monkeypatch):
    load_textures.cache_clear()

    def refuse(*args, **kwargs):
        raise AssertionError('a download was tried')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    monkeypatch.setattr('socket.socket.connect', refuse)
    train, val = load_textures('train'), load_textures('val')
    for name in train:
        assert train[name].shape[1] + val[name].shape[1] == 512
        assert abs(train[name].mean()) < 1e-3 and abs(train[name].std() - 1) < 1e-3
    total = sum(len(load_digits(s)[k]) for s in ('train', 'val') for k in load_digits(s))
    assert total == 1797
    known = {digit.tobytes() for digit in load_digits('train')['digit_low']}
    assert not any(digit.tobytes() in known for digit in load_digits('val')['digit_low'])


def test_images_are_reproducible_and_independent_of_count():
    config = MosaicConfig(size=48, seed=3)
    few = list(draw_images(config, 'train', 2))
    more = list(draw_images(config, 'train', 3))
    for (name, image, mask), (same_name, same_image, same_mask) in zip(few, more):
        assert name == same_name
        np.testing.assert_array_equal(image, same_image)
        np.testing.assert_array_equal(mask, same_mask)
    image, mask = draw_image(config, 'val', 0)
    assert image.shape == (48, 48, 3) and image.dtype == np.uint8
    assert mask.shape == (48, 48) and mask.dtype == np.uint8
    assert not np.array_equal(mask, few[0][2])
    assert not np.array_equal(draw_image(MosaicConfig(size=48, seed=4), 'val', 0)[1], mask)


def test_classes_are_long_tailed():
    masks = [mask for _, _, mask in draw_images(MosaicConfig(), 'train', 250)]
    pixels = np.bincount(np.stack(masks).ravel(), minlength=len(CLASSES))
    assert len(pixels) == len(CLASSES)  # no other id
    assert (np.diff(pixels) < 0).all(), pixels
    assert pixels[0] > 40 * pixels[-1]


def test_masks_are_exact():
    # Without light, noise and clutter, the pixels inside an object differ from the ground by a
    # jump at the border of the mask and nowhere else near it.
    for index in range(20):
        _, mask = draw_image(MosaicConfig(difficulty=0), 'train', index)
        disc = mask == CLASSES.index('disc')
        if not disc.any() or (mask[disc.any(1)] > CLASSES.index('disc')).any():
            continue
        rows, columns = np.nonzero(disc)
        diameter = max(np.ptp(rows), np.ptp(columns)) + 1
        if rows.min() and columns.min() and rows.max() < 95 and columns.max() < 95:
            assert abs(disc.sum() - np.pi / 4 * diameter**2) < 0.1 * disc.sum()
            return
    pytest.fail('no free disc in 20 images')


def test_difficulty_and_domain_change_images_not_what_is_seen():
    def colors(difficulty, domain='day'):
        config = MosaicConfig(difficulty=difficulty, domain=domain)
        images = [image for _, image, _ in draw_images(config, 'train', 40)]
        return np.stack(images).mean(axis=(1, 2))

    assert colors(1).std(axis=0).mean() > 1.5 * colors(0).std(axis=0).mean()
    day, night = colors(0.5), colors(0.5, 'night')
    assert night.mean() < 0.6 * day.mean()
    assert night[:, 2].mean() / night[:, 0].mean() > 1.3 * day[:, 2].mean() / day[:, 0].mean()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'size': 16}, 'size=16'),
        ({'difficulty': 1.5}, r'difficulty=1\.5'),
        ({'domain': 'dusk'}, "no domain 'dusk'"),
        ({'seed': -1}, 'seed=-1'),
    ],
)
def test_config_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        MosaicConfig(**values)
