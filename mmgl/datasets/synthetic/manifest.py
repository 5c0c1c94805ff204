"""The file that says how a synthetic root was made."""

import json
import os
import os.path as osp

MANIFEST = 'synthetic.json'
PARTIAL = '.partial-'


def replace_file(path, content, scratch):
    """Write a file so that it is either whole or absent.

    Args:
        path (str): Target; its folder must exist.
        content (bytes): What to write.
        scratch (str): Existing folder on the same disk for the first copy.
    """
    temporary = osp.join(scratch, f'{os.getpid()}.tmp')
    with open(temporary, 'wb') as file:
        file.write(content)
    os.replace(temporary, path)


def check_root(root, settings):
    """Read the manifest of a root and compare it with the wanted settings.

    Args:
        root (str): Folder of the data set; it may be absent or empty.
        settings (dict): Settings that must agree.

    Returns:
        dict | None: The manifest, or None for a new root.

    Raises:
        ValueError: If the root holds other files, an unreadable manifest, or
            a data set made with other settings.
    """
    path = osp.join(root, MANIFEST)
    if not osp.isfile(path):
        names = os.listdir(root) if osp.isdir(root) else []
        names = [n for n in names if not n.startswith(PARTIAL)]
        if names:
            raise ValueError(
                f'{root!r} holds files (such as {sorted(names)[0]!r}) but no '
                f'{MANIFEST}, so it was not written by this generator; '
                'choose an empty root.'
            )
        return None
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
        differing = [k for k in settings if found.get(k) != settings[k]]
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f'{path!r} is not a manifest of this generator ({error}); delete '
            f'{root!r} or choose another root.'
        ) from error
    if differing:
        key = differing[0]
        old, new = found.get(key), settings[key]
        if isinstance(old, dict) and isinstance(new, dict):
            old = {k: v for k, v in old.items() if new.get(k) != v}
            new = {k: v for k, v in new.items() if found[key].get(k) != v}
        raise ValueError(
            f'{root!r} was made with {key}={old!r}, but {key}={new!r} is '
            'wanted; delete it or choose another root.'
        )
    return found


def write_manifest(root, manifest, scratch):
    """Write the manifest of a root.

    Args:
        root (str): Folder of the data set.
        manifest (dict): Settings, counts and ``complete``.
        scratch (str): Folder for the first copy.
    """
    text = json.dumps(manifest, indent=2, sort_keys=True) + '\n'
    replace_file(osp.join(root, MANIFEST), text.encode(), scratch)
