"""Models and their parts; importing this registers them."""

from .data_preprocessors import *  # noqa: F403
from .decode_heads import *  # noqa: F403
from .losses import *  # noqa: F403
from .memory import *  # noqa: F403
from .mixing import *  # noqa: F403
from .perturbations import *  # noqa: F403
from .samplers import *  # noqa: F403
from .segmentors import *  # noqa: F403
from .selectors import *  # noqa: F403
