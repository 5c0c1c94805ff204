"""Small helpers without a place elsewhere; light to import."""

from .paths import config_dir, tool_dir
from .setup_env import register_all_modules

__all__ = ['config_dir', 'register_all_modules', 'tool_dir']
