"""Semi-supervised and contrastive learning for MMSegmentation.

Importing this package registers all of its components in ``mmseg.registry``. A config does so with
``custom_imports = dict(imports=['mmseg_contrast'], allow_failed_imports=False)``.
"""

import sys

from .version import __version__

# `python -m mmseg_contrast.tooling.collect_env` imports this file first. It is there to explain a
# stack that cannot be imported, so in that process alone check and registration are left to it.
if f'{__name__}.tooling.collect_env' not in sys.orig_argv:
    from .stack import check_stack

    check_stack()
    from .registration import register_all_modules

    register_all_modules(init_default_scope=False)

__all__ = ['__version__']
