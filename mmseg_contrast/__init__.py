"""Semi-supervised and contrastive learning for MMSegmentation.

Importing this package registers all of its components in ``mmseg.registry``. A config does so with
``custom_imports = dict(imports=['mmseg_contrast'], allow_failed_imports=False)``.
"""

import os
import sys

from .version import __version__

# The doctor explains a stack that cannot be imported, and the command `mmseg-contrast` starts it. Both
# import this file first, so check and registration are left out in their processes.
_LIGHT = {f'{__name__}.tooling.collect_env', f'{__name__}.tooling.commands'}
_program = os.path.basename(sys.argv[0]).removesuffix('.exe') if sys.argv else ''
if _program != 'mmseg-contrast' and not _LIGHT & {*sys.orig_argv}:
    from .stack import check_stack

    check_stack()
    from .registration import register_all_modules

    register_all_modules(init_default_scope=False)

__all__ = ['__version__']
