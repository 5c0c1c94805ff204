"""Whether a checkpoint may be used with the data of the moment."""

from collections.abc import Mapping
from typing import Any

from mmengine.logging import print_log

from mmgl.utils.errors import ConfigError

# Key of a checkpoint's meta for the data set that it was trained on.
META_KEY = 'trained_on'
ALLOW_OPTION = '--allow-trial-mismatch'


def check_trial(
    meta: Mapping[str, Any] | None,
    metainfo: Mapping[str, Any],
    path: str,
    allow: bool = False,
) -> None:
    """Refuse a checkpoint that may have been trained on the test identities.

    The trials of RegDB divide the same persons differently. ``meta`` is that
    of the checkpoint, ``metainfo`` that of the data set to test or train on.

    Raises:
        ConfigError: If data set and trial are known, the data sets are the
            same and the trials differ; with ``allow`` the log says so.
    """
    trained = (meta or {}).get(META_KEY) or {}
    here, there = metainfo.get('trial'), trained.get('trial')
    if here is None or there is None or here == there:
        return
    if trained.get('dataset') != metainfo.get('dataset'):
        return
    message = (
        f'checkpoint {path} was trained on trial {there} of '
        f'{metainfo.get("dataset")}, this is trial {here}, whose test '
        'identities it may have seen'
    )
    if not allow:
        raise ConfigError(f'{message}; use the same trial or {ALLOW_OPTION}')
    print_log(f'{message} (allowed by {ALLOW_OPTION})', logger='current')
