r"""Models and their parts; importing this registers them.

A ``momentum`` is everywhere the share of the *new* value in a moving average, as in MMEngine and in batch
norm: a paper's :math:`\alpha` or :math:`\beta` of 0.99 is ``momentum=0.01``, and 1 forgets the past.
"""

from .backbones import *  # noqa: F403
from .class_weights import *  # noqa: F403
from .data_preprocessors import *  # noqa: F403
from .decode_heads import *  # noqa: F403
from .losses import *  # noqa: F403
from .memory import *  # noqa: F403
from .mixing import *  # noqa: F403
from .perturbations import *  # noqa: F403
from .sampling import *  # noqa: F403
from .segmentors import *  # noqa: F403
from .selectors import *  # noqa: F403
