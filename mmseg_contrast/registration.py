"""Registration of all components, for the package and for scripts that build without a config."""

from importlib import import_module

from mmengine import registry

# The modules whose import registers components.
MODULES = (
    'mmseg.datasets',
    'mmseg.engine',
    'mmseg.evaluation',
    'mmseg.models',
    'mmseg.visualization',
    'mmseg_contrast.datasets',
    'mmseg_contrast.engine',
    'mmseg_contrast.evaluation',
    'mmseg_contrast.models',
    'mmseg_contrast.pseudo_labels',
)


def register_all_modules(init_default_scope: bool = True) -> None:
    """Register the components of MMSegmentation and of this package.

    A config needs no call of this: its ``custom_imports`` does the same.

    Args:
        init_default_scope (bool): Whether to make ``mmseg`` the default scope, so that bare names
            such as ``dict(type='ValLoop')`` are found from any registry. Defaults to True.
    """
    for module in MODULES:
        import_module(module)
    if init_default_scope:
        registry.init_default_scope('mmseg')
