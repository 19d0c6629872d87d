"""Drawing of the embedded data set: textured grounds with shapes and handwritten digits on them.

The pictures are made of real material: CC0 textures that come with scikit-image, and handwritten
digits that come with scikit-learn. Colours say little about a class, light and noise change from
image to image, so that the shapes and textures have to be learnt. Training and validation images
are cut from different parts of the textures and use different digits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .mosaic import MosaicDataset

CLASSES: tuple[str, ...] = MosaicDataset.METAINFO['classes']
GROUNDS = CLASSES[:3]
DOMAINS = ('day', 'night')
SPLITS = ('train', 'val')

# Long-tailed on purpose: share of the grounds, then chance of each object to be in an image.
GROUND_SHARES = (0.6, 0.27, 0.13)
OBJECT_CHANCES = {
    'disc': 0.7,
    'square': 0.55,
    'triangle': 0.5,
    'digit_low': 0.4,
    'digit_high': 0.28,
    'ring': 0.2,
}
# What a class looks like when colour tells it (RGB); `difficulty` mixes in any colour.
HUES = {
    'grass': (0.35, 0.55, 0.25),
    'brick': (0.60, 0.38, 0.30),
    'gravel': (0.50, 0.50, 0.48),
    'disc': (0.25, 0.45, 0.80),
    'square': (0.90, 0.70, 0.25),
    'triangle': (0.60, 0.30, 0.75),
    'digit_low': (0.15, 0.70, 0.75),
    'digit_high': (0.90, 0.45, 0.65),
    'ring': (0.95, 0.90, 0.25),
}


@dataclass(frozen=True)
class MosaicConfig:
    """What decides each pixel of the data set.

    Attributes:
        size (int): Height and width of the images, at least 32.
        difficulty (float): From 0 (colours tell the class, steady light) to 1 (any colour, strong
            changes of light, noise and clutter).
        domain (str): ``'day'``, or ``'night'`` with darker, bluer, noisier images.
        seed (int): Seed, at least 0.

    Raises:
        ValueError: A value is out of its range.
    """

    size: int = 96
    difficulty: float = 0.1
    domain: str = 'day'
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 32:
            raise ValueError(f'size={self.size} is too small for the shapes: give 32 or more.')
        if not 0 <= self.difficulty <= 1:
            raise ValueError(f'difficulty={self.difficulty} is out of range: give 0 to 1.')
        if self.domain not in DOMAINS:
            raise ValueError(f'There is no domain {self.domain!r}: give one of {DOMAINS}.')
        if self.seed < 0:
            raise ValueError(f'seed={self.seed} is negative: give 0 or more.')


@lru_cache
def load_textures(split: str) -> dict[str, np.ndarray]:
    """Load the part of each texture that belongs to a split.

    Args:
        split (str): ``'train'``: the left 60 %, or ``'val'``: the right 40 %.

    Returns:
        dict[str, np.ndarray]: Grey values of mean 0 and deviation 1, float32, shape (512, W).

    Raises:
        ImportError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError('The textures need scikit-image: pip install scikit-image') from error
    # These three come with the wheel, nothing is downloaded.
    textures = {'grass': data.grass(), 'brick': data.brick(), 'gravel': data.gravel()}
    parts = {}
    for name, texture in textures.items():
        cut = texture.shape[1] * 6 // 10
        part = (texture[:, :cut] if split == 'train' else texture[:, cut:]).astype(np.float32)
        parts[name] = (part - part.mean()) / part.std()
    return parts


@lru_cache
def load_digits(split: str) -> dict[str, np.ndarray]:
    """Load the handwritten digits that belong to a split.

    Args:
        split (str): ``'train'``: four of five, or ``'val'``: the others.

    Returns:
        dict[str, np.ndarray]: Of ``digit_low`` (0 to 4) and ``digit_high`` (5 to 9): ink in [0, 1],
        float32, shape (N, 8, 8).

    Raises:
        ImportError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError('The digits need scikit-learn: pip install scikit-learn') from error
    digits = datasets.load_digits()
    mine = (np.arange(len(digits.target)) % 5 != 0) == (split == 'train')
    images = (digits.images / 16).astype(np.float32)
    return {
        'digit_low': images[mine & (digits.target < 5)],
        'digit_high': images[mine & (digits.target >= 5)],
    }


def _texture_patch(rng: np.random.Generator, texture: np.ndarray, size: int) -> np.ndarray:
    """Cut out a patch at a random place, scale and angle, shape (size, size)."""
    height, width = texture.shape
    center = rng.uniform(0.3, 0.7) * width, rng.uniform(0.2, 0.8) * height
    matrix = cv2.getRotationMatrix2D(center, rng.uniform(0, 360), rng.uniform(0.6, 1.4))
    matrix[:, 2] += size / 2 - np.array(center)  # from there to the middle of the patch
    return cv2.warpAffine(
        texture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def _color(rng: np.random.Generator, name: str, difficulty: float) -> np.ndarray:
    """Draw the colour of a class in one image, RGB in [0, 1]."""
    share = 0.3 + 0.6 * difficulty
    return (1 - share) * np.array(HUES[name]) + share * rng.uniform(0.1, 0.9, 3)


def _shape(name: str, u: np.ndarray, v: np.ndarray, digit: np.ndarray | None) -> np.ndarray:
    """Tell which pixels an object covers; u, v are coordinates in units of its radius."""
    radius = np.hypot(u, v)
    if digit is not None:
        grid = (4 * u + 3.5).astype(np.float32), (4 * v + 3.5).astype(np.float32)
        ink = cv2.remap(digit, *grid, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
        return ink > 0.4
    if name == 'disc':
        return radius < 1
    if name == 'square':
        return np.maximum(abs(u), abs(v)) < 0.85
    if name == 'triangle':
        return (v < 0.7) & (v > 1.732 * abs(u) - 1.4)
    return (radius < 1) & (radius > 0.65)  # ring


def draw_image(config: MosaicConfig, split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image and its mask.

    Args:
        config (MosaicConfig): Size, difficulty, domain and seed.
        split (str): ``'train'`` or ``'val'``.
        index (int): Number of the image; each number gives another image.

    Returns:
        tuple[np.ndarray, np.ndarray]: RGB image, uint8, shape (H, W, 3), and mask of class ids,
        uint8, shape (H, W).
    """
    rng = np.random.default_rng((config.seed, SPLITS.index(split), index))
    size, difficulty = config.size, config.difficulty
    rows, columns = np.mgrid[:size, :size].astype(np.float32)

    # Grounds: cells of a Voronoi diagram, each with a texture.
    points = rng.uniform(0, size, (rng.integers(2, 6), 2))
    cells = np.argmin([np.hypot(rows - y, columns - x) for y, x in points], axis=0)
    mask = rng.choice(len(GROUNDS), len(points), p=GROUND_SHARES).astype(np.uint8)[cells]
    image = np.zeros((size, size, 3), np.float32)
    for label, name in enumerate(GROUNDS):
        patch = _texture_patch(rng, load_textures(split)[name], size)
        contrast = rng.uniform(0.14 - 0.08 * difficulty, 0.18)
        ground = _color(rng, name, difficulty) + contrast * patch[..., None]
        image = np.where((mask == label)[..., None], ground, image)

    # Clutter: strokes and spots that belong to the ground they lie on.
    clutter = np.zeros((size, size), np.uint8)
    for _ in range(rng.poisson(8 * difficulty)):
        start = rng.integers(0, size, 2)
        end = start + rng.integers(-size // 5, size // 5 + 1, 2)
        cv2.line(clutter, start.tolist(), end.tolist(), 1, int(rng.integers(1, 3)))
        cv2.circle(clutter, rng.integers(0, size, 2).tolist(), int(rng.integers(1, 3)), 1, -1)
    image = np.where(clutter[..., None] > 0, rng.uniform(0, 1, 3), image)

    # Objects: each kind by its chance, in random order, so that any may lie on top.
    for name in rng.permutation(list(OBJECT_CHANCES)):
        if rng.random() >= OBJECT_CHANCES[name]:
            continue
        is_digit = name.startswith('digit')
        radius = size * rng.uniform(0.13, 0.2 if is_digit else 0.17)
        angle = np.deg2rad(rng.uniform(-25, 25) if is_digit else rng.uniform(0, 360))
        y, x = rng.uniform(0.6 * radius, size - 0.6 * radius, 2)
        u = ((columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)) / radius
        v = ((rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)) / radius
        digit = rng.choice(load_digits(split)[name]) if is_digit else None
        covered = _shape(name, u, v, digit)
        # A surface of its own: a colour, a slope of brightness, and a texture that says nothing.
        texture = load_textures(split)[rng.choice(GROUNDS)]
        surface = 0.1 * u + rng.uniform(0, 0.12) * _texture_patch(rng, texture, size)
        fill = _color(rng, name, difficulty) + surface[..., None]
        image = np.where(covered[..., None], fill, image)
        mask[covered] = CLASSES.index(name)

    return _expose(rng, image, config), mask


def _expose(rng: np.random.Generator, image: np.ndarray, config: MosaicConfig) -> np.ndarray:
    """Take the photograph: light, tint, contrast, blur and noise; RGB uint8."""
    size, difficulty = config.size, config.difficulty
    night = config.domain == 'night'
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    slope = rows * np.sin(angle) + columns * np.cos(angle)
    light = rng.uniform(1 - 0.5 * difficulty, 1 + 0.3 * difficulty)
    light = light * (1 + rng.uniform(0, 0.8 * difficulty) * slope)
    tint = 1 + 0.35 * difficulty * rng.uniform(-1, 1, 3)
    noise = rng.uniform(0.01, 0.02 + 0.06 * difficulty)
    contrast = rng.uniform(1 - 0.4 * difficulty, 1 + 0.2 * difficulty)
    if night:
        light, tint, noise = 0.45 * light, tint * (0.75, 0.9, 1.35), 1.5 * noise
        contrast = 0.8 * contrast
    image = (image - image.mean()) * contrast + image.mean()
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.4 + 0.5 * difficulty))
    image = image * light[..., None] * tint + noise * rng.standard_normal(image.shape)
    return (255 * np.clip(image, 0, 1)).round().astype(np.uint8)


def draw_images(
    config: MosaicConfig, split: str, count: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Draw the first images of a split.

    Args:
        config (MosaicConfig): Size, difficulty, domain and seed.
        split (str): ``'train'`` or ``'val'``.
        count (int): Number of images. A larger count continues a smaller one.

    Yields:
        tuple[str, np.ndarray, np.ndarray]: Name, RGB image and mask, see :func:`draw_image`.
    """
    for index in range(count):
        yield f'{split}_{index:05d}', *draw_image(config, split, index)
