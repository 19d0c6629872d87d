"""What the classifiers of a model get during a validation."""

from __future__ import annotations

from types import TracebackType

from torch import Tensor, nn


class ClassifierInputs:
    """Keeps the input of each classifier's last forward, between :meth:`attach` and :meth:`detach`.

    The classifier is ``conv_seg`` of the decode head, the last of a cascade. Where a validation calls it more
    than once for a batch (sliding windows), the input says nothing of whole images and is left out.

    Args:
        nets (dict[str, nn.Module]): The nets by name, each with a ``decode_head``.
    """

    def __init__(self, nets: dict[str, nn.Module]) -> None:
        self._classifiers = {}
        for name, net in nets.items():
            head = getattr(net, 'decode_head', None)
            head = head[-1] if isinstance(head, nn.ModuleList) else head
            classifier = getattr(head, 'conv_seg', None)
            if isinstance(classifier, nn.Module):
                self._classifiers[name] = classifier
        self._handles: list = []
        self._seen: dict[str, list[Tensor]] = {}

    def __enter__(self) -> ClassifierInputs:
        """Begin to listen."""
        self.attach()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the model as it was."""
        self.detach()

    def attach(self) -> None:
        """Begin to listen."""
        self.detach()
        for name, classifier in self._classifiers.items():
            seen = self._seen[name] = []
            self._handles.append(
                classifier.register_forward_pre_hook(
                    lambda _, inputs, seen=seen: seen.append(inputs[0].detach())
                )
            )

    def detach(self) -> None:
        """Leave the model as it was."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._seen = [], {}

    def take(self, name: str) -> Tensor | None:
        """Return and forget what a net's classifier got since the last call, if it was called once.

        Args:
            name (str): Name of the net.

        Returns:
            Tensor | None: Features of shape (B, D, h, w).
        """
        seen = self._seen.get(name, [])
        taken = seen[0] if len(seen) == 1 and seen[0].ndim == 4 else None
        for each in self._seen.values():
            each.clear()
        return taken
