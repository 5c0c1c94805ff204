"""Version of the package, read by setup.py and shown by collect_env."""

__version__ = '0.1.0'
