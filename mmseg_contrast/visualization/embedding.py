"""Features of pixels: how well classes are set apart, and pictures of it."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from torch import nn

from ..models.memory import MemoryBank

METHODS = ('tsne', 'pca', 'umap')


@dataclass
class PixelFeatures:
    """Features of class-balanced pixels.

    Attributes:
        vectors (np.ndarray): Unit vectors of shape (N, D).
        labels (np.ndarray): Class of each, (N,).
        bank (np.ndarray): Whether a row comes from a memory bank, (N,).
    """

    vectors: np.ndarray
    labels: np.ndarray
    bank: np.ndarray


def draw_balanced(labels: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw up to ``number`` positions of each class; 255 is no class.

    Args:
        labels (np.ndarray): Labels of shape (N,).
        number (int): Positions of each class, at most.
        rng (np.random.Generator): Where the randomness comes from.
    """
    classes = [each for each in np.unique(labels) if each != 255]
    drawn = [rng.permutation(np.flatnonzero(labels == each))[:number] for each in classes]
    return np.concatenate([np.zeros(0, int), *drawn])


def find_bank(head: nn.Module) -> tuple[np.ndarray, np.ndarray] | None:
    """Read the memory bank of a contrast head, whose rows are of the head's embedding.

    Args:
        head (nn.Module): The head whose embedding is drawn; another head's bank is of another space,
            whatever its size.

    Returns:
        tuple[np.ndarray, np.ndarray] | None: Unit vectors (N, D) and their classes (N,), N = 0 while
        the bank is empty; None if the head has no bank.
    """
    bank = next((each for each in head.modules() if isinstance(each, MemoryBank)), None)
    if bank is None:
        return None
    vectors = nn.functional.normalize(bank.rows[bank.valid].float(), dim=1)
    return vectors.cpu().numpy(), bank.valid.nonzero()[:, 0].cpu().numpy()


def separation(vectors: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    r"""Measure how compact and how far apart the classes are.

    .. math::
        intra = \frac{1}{C} \sum_c \lVert m_c \rVert^2, \qquad
        inter = \frac{1}{C (C - 1)} \sum_{c \ne d} m_c \cdot m_d

    with :math:`m_c` the mean unit vector of a class: the mean cosine of two pixels of one class, and
    of two classes (a pixel's cosine with itself is counted in the first).

    Args:
        vectors (np.ndarray): Unit vectors of shape (N, D).
        labels (np.ndarray): Their classes, (N,).

    Returns:
        dict[str, float]: ``silhouette`` (of cosine distances, in [-1, 1]), ``intra`` and ``inter``;
        NaN where there are fewer than two classes.
    """
    classes = np.unique(labels)
    if len(classes) < 2 or len(classes) == len(labels):
        return dict.fromkeys(('silhouette', 'intra', 'inter'), float('nan'))
    means = np.stack([vectors[labels == each].mean(0) for each in classes])
    products = means @ means.T
    own = np.trace(products)
    return {
        'silhouette': float(silhouette_score(vectors, labels, metric='cosine')),
        'intra': float(own / len(classes)),
        'inter': float((products.sum() - own) / (len(classes) * (len(classes) - 1))),
    }


def project(vectors: np.ndarray, method: str, seed: int) -> np.ndarray:
    """Bring vectors to two dimensions.

    Args:
        vectors (np.ndarray): Of shape (N, D).
        method (str): One of ``'tsne'``, ``'pca'`` and ``'umap'``.
        seed (int): Seed.

    Returns:
        np.ndarray: Of shape (N, 2).

    Raises:
        ValueError: If the method is unknown, or there are fewer than three vectors.
        ImportError: If UMAP is asked for and not installed.
    """
    if len(vectors) < 3:
        raise ValueError(
            f'{len(vectors)} pixels cannot be drawn: give more images, or more pixels of each class'
        )
    if method == 'pca':
        return PCA(2, random_state=seed).fit_transform(vectors)
    if method == 'tsne':
        perplexity = min(30.0, (len(vectors) - 1) / 3)
        return TSNE(
            perplexity=perplexity, metric='cosine', init='random', random_state=seed
        ).fit_transform(vectors)
    if method != 'umap':
        raise ValueError(f'the method {method!r} is unknown: use one of {METHODS}')
    if importlib.util.find_spec('umap') is None:
        raise ImportError('UMAP is not installed: pip install umap-learn, or use --method tsne')
    from umap import UMAP

    return UMAP(metric='cosine', random_state=seed).fit_transform(vectors)


def draw_embeddings(
    panels: Mapping[str, PixelFeatures],
    method: str,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    seed: int = 0,
) -> tuple[bytes, dict[str, dict[str, float]]]:
    """Draw the features of several networks side by side.

    Args:
        panels (Mapping[str, PixelFeatures]): Features by title.
        method (str): See :func:`project`.
        classes (Sequence[str]): Class names.
        palette (Sequence[Sequence[int]]): Their RGB colours.
        seed (int): Seed of the projection.

    Returns:
        tuple[bytes, dict[str, dict[str, float]]]: A PNG file, and what :func:`separation` says of
        the pixels of each panel.
    """
    colors = np.asarray(palette) / 255
    figure = Figure(figsize=(4.2 * len(panels), 4.9 + 0.2 * -(-len(classes) // (5 * len(panels)))),
                    layout='constrained')  # fmt: skip
    FigureCanvasAgg(figure)
    measures = {}
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for (title, features), axis in zip(panels.items(), axes):
        places = project(features.vectors, method, seed)
        pixels = ~features.bank
        if features.bank.any():
            axis.scatter(
                *places[features.bank].T,
                s=14,
                marker='x',
                linewidths=0.6,
                c=colors[features.labels[features.bank]],
            )
        # a thin border, because palettes have pale colours
        axis.scatter(
            *places[pixels].T,
            s=9,
            c=colors[features.labels[pixels]],
            edgecolors='black',
            linewidths=0.15,
        )
        measured = separation(features.vectors[pixels], features.labels[pixels])
        measures[title] = measured
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(
            'silhouette {silhouette:.3f}   cosine: within {intra:.3f}, between {inter:.3f}'.format(
                **measured
            ),
            fontsize=8,
        )
        axis.set_xticks([])
        axis.set_yticks([])
    seen = sorted(set(np.concatenate([f.labels for f in panels.values()]).tolist()))
    marks = [_mark('o', colors[each], classes[each]) for each in seen]
    if any(features.bank.any() for features in panels.values()):
        marks.append(_mark('x', 'gray', 'row of the memory bank'))
    figure.legend(
        handles=marks,
        loc='outside lower center',
        ncols=min(5 * len(panels), len(marks)),
        fontsize=7,
        frameon=False,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=150)
    return buffer.getvalue(), measures


def _mark(marker: str, color: object, label: str) -> Line2D:
    edge = {'markeredgecolor': 'black', 'markeredgewidth': 0.3} if marker == 'o' else {}
    return Line2D([], [], linestyle='', marker=marker, color=color, label=label, **edge)
