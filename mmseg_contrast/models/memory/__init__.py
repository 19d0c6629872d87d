"""Memory: banks of embeddings that outlive a training step."""

from .base import MemoryBank, Offer
from .class_memory_bank import ClassMemoryBank
from .consistency_separation_module import ConsistencySeparationModule

__all__ = ['ClassMemoryBank', 'ConsistencySeparationModule', 'MemoryBank', 'Offer']
