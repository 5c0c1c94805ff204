"""Writes docs/model_zoo.md from the metafiles: python docs/model_zoo.py."""

import os
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATA = (
    'SYSU-MM01',
    'RegDB',
    'LLCM',
    'own data',
    'embedded data set',
    'tar shards',
)
HEAD = """# Model zoo

Every config that comes with the package, by method and training data:
`mmgl train NAME`. There are **no weights to download**: those trained on
photographs carry the photographs' licences, and none is measured on
photographs yet ([bring your numbers](bring_numbers.md)). The
[converter](official_checkpoints.md) reads checkpoints released by others,
OpenMMLab's `mim` the list in `model-index.yml`.
"""


def zoo() -> str:
    """Draw a section a method, in the order of the index."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    return '\n'.join([HEAD, *map(section, index['Import'])])


def section(path: str) -> str:
    """Draw a method: paper, page, configs by data set."""
    metafile = yaml.safe_load((ROOT / path).read_text())
    (method,) = metafile['Collections']
    paper = method['Paper']
    page = os.path.relpath(ROOT / method['README'], ROOT / 'docs')
    lines = [
        f'## {method["Name"]}\n',
        f'[Page]({page}), [paper]({paper["URL"]}).\n',
    ]
    for data in DATA:
        names = [
            f'`{model["Name"]}`'
            for model in metafile['Models']
            if model['Metadata']['Training Data'] == data
        ]
        if names:
            lines.append(f'- {data}: {", ".join(names)}')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    (ROOT / 'docs/model_zoo.md').write_text(zoo())
