"""Memory: banks of embeddings that outlive a training step."""

from .class_memory_bank import ClassMemoryBank

__all__ = ['ClassMemoryBank']
