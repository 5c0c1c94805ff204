"""Build script: requirements by file, and configs and tools as ``mmgl/.mim``.

OpenMMLab tools look for the configs of an installed package in its ``.mim``
folder. A built package gets copies, an editable installation symbolic links.

With ``MMGL_LITE=1`` in the environment it is mmgl-lite that is built: the same
package for machines that run exported networks, without torch and what stands
on it.
"""

import os
import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'model-index.yml')
EDITABLE = {'develop', 'editable_wheel'}
BUILDS = {'sdist', 'bdist_wheel', 'build', 'build_py', 'install'}


def read_version() -> str:
    """Return the version without importing the package."""
    scope: dict[str, str] = {}
    exec((ROOT / 'mmgl' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


def read_requirements(name: str) -> list[str]:
    """Return the lines of a requirements file without comments."""
    text = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
    lines = (line.split('#')[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def accept_installed_mmcv(requirements: list[str]) -> list[str]:
    """Ask for the mmcv that is there: mmcv and mmcv-lite share their files.

    An isolated build does not see the environment it builds for in
    ``sys.path``; its folder is the same all the same.
    """
    folders = [*sys.path, sysconfig.get_path('purelib')]
    installed = {
        dist.metadata['Name'].lower()
        for dist in metadata.distributions(path=folders)
        if dist.metadata['Name']
    }
    for name in ('mmcv', 'onedl-mmcv'):
        if name in installed:
            return [
                line.replace('mmcv-lite', name, 1)
                if line.startswith('mmcv-lite')
                else line
                for line in requirements
            ]
    return requirements


def place_shipped_files(commands: set[str]) -> None:
    """Fill ``mmgl/.mim``: links for an editable install, otherwise copies."""
    editable = bool(EDITABLE & commands)
    if not editable and not BUILDS & commands:
        return
    target = ROOT / 'mmgl' / '.mim'
    target.mkdir(exist_ok=True)
    for name in SHIPPED:
        source, copy = ROOT / name, target / name
        if not source.exists():
            continue
        if copy.is_symlink() or copy.is_file():
            copy.unlink()
        elif copy.is_dir():
            shutil.rmtree(copy)
        if editable:
            copy.symlink_to(Path('..', '..', name), source.is_dir())
        elif source.is_dir():
            ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
            shutil.copytree(source, copy, ignore=ignore)
        else:
            shutil.copy2(source, copy)


# Each serves a use of the package; together they are ``all``.
EXTRAS = {
    'export': ['onnx', 'onnxruntime'],
    'milvus': ['pymilvus>=2.5', 'milvus-lite'],
    'optional': read_requirements('optional'),
    'serve': read_requirements('serve'),
}
place_shipped_files(set(sys.argv[1:]))
lite = os.environ.get('MMGL_LITE') == '1'
readme = ROOT / 'README.md'
setup(
    name='mmgl-lite' if lite else 'mmgl',
    version=read_version(),
    description='RGB-infrared person re-identification and its '
    'self-supervised pre-training',
    long_description=(
        readme.read_text(encoding='utf-8') if readme.is_file() else ''
    ),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=('mmgl', 'mmgl.*')),
    include_package_data=True,
    entry_points={'console_scripts': ['mmgl=mmgl.cli:main']},
    python_requires='>=3.10,<3.14',
    install_requires=(
        read_requirements('lite')
        if lite
        else accept_installed_mmcv(read_requirements('runtime'))
    ),
    extras_require={
        **EXTRAS,
        'all': sorted({one for extra in EXTRAS.values() for one in extra}),
        'docs': read_requirements('docs'),
        'tests': read_requirements('tests'),
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    zip_safe=False,
)
