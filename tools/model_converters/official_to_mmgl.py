"""Translate a released checkpoint: official_to_mmgl.py METHOD IN OUT."""

from mmgl.apis.commands import run_conversion

if __name__ == '__main__':
    run_conversion()
