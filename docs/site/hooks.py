"""Makes pages of the site from what lies outside of ``docs``.

The texts in the root of the repository, files that a page links to, and the
docstrings of the public names. On GitHub the same links lead to the files.
"""

import ast
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
# Texts of the root that are pages of the navigation.
TEXTS = (
    'CONTRIBUTING.md',
    'CODE_OF_CONDUCT.md',
    'CHANGELOG.md',
    'SECURITY.md',
    'examples/README.md',
)
# Pages of the reference: title, and the packages whose __all__ they show.
ROOMS = {
    'mmgl': ('mmgl', ['mmgl', 'mmgl.apis.inference']),
    'backbones': (
        'Models and backbones',
        ['mmgl.models', 'mmgl.models.backbones'],
    ),
    'necks': ('Necks and layers', ['mmgl.models.necks', 'mmgl.models.layers']),
    'heads': ('Heads', ['mmgl.models.heads']),
    'losses': ('Losses', ['mmgl.models.losses']),
    'data_preprocessors': (
        'Preprocessors',
        ['mmgl.models.data_preprocessors'],
    ),
    'datasets': ('Data sets', ['mmgl.datasets', 'mmgl.datasets.synthetic']),
    'samplers': ('Samplers', ['mmgl.datasets.samplers']),
    'transforms': ('Transforms', ['mmgl.datasets.transforms']),
    'engine': ('Hooks and wrappers', ['mmgl.engine', 'mmgl.engine.hooks']),
    'evaluation': (
        'Evaluation',
        ['mmgl.evaluation', 'mmgl.evaluation.metrics'],
    ),
    'visualization': ('Pictures', ['mmgl.visualization']),
}
# Names that are no objects with a text of their own.
SKIPPED = {'__version__', 'hooks', 'layers'}
LINK = re.compile(r'(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))')
LANGUAGES = {'.py': 'python', '.sh': 'bash', '.yml': 'yaml', '.txt': 'text'}


def site_place(path: str) -> str:
    """Where a file of the repository is in the site."""
    if path.startswith('docs/'):
        return path.removeprefix('docs/')
    if path in TEXTS:
        return path
    if path == 'README.md':
        return path
    return f'source/{path}.md'


def repository_place(page: str) -> str:
    """Where a page of the site is in the repository."""
    return page if page in TEXTS else f'docs/{page}'


def targets(page: str, text: str) -> set[str]:
    """List the files of the repository that a page links to."""
    here = posixpath.dirname(repository_place(page))
    found = {posixpath.join(here, m[2]) for m in LINK.finditer(text)}
    return {posixpath.normpath(path) for path in found}


def on_files(files: Files, config) -> Files:
    """Add texts, linked files and the reference."""
    made = {name: (ROOT / name).read_text() for name in TEXTS}
    pages = {f.src_uri: f.content_string for f in files.documentation_pages()}
    linked = set()
    for page, text in {**pages, **made}.items():
        linked |= targets(page, text)
    for path in sorted(linked):
        place = site_place(path)
        if place.startswith('source/') and (ROOT / path).is_file():
            made[place] = source_page(path)
    for room, (title, packages) in ROOMS.items():
        made[f'reference/{room}.md'] = reference_page(title, packages)
    for place, text in made.items():
        file = File.generated(config, place, content=text)
        if place.startswith('source/'):
            file.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(file)
    return files


def on_page_markdown(markdown: str, page, **_) -> str:
    """Point links to files of the repository at their pages."""
    source = page.file.src_uri
    if source.startswith(('source/', 'reference/')):
        return markdown
    here = posixpath.dirname(repository_place(source))

    def moved(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(here, match[2]))
        place = posixpath.relpath(
            site_place(path), posixpath.dirname(source) or '.'
        )
        return f'{match[1]}{place}{match[3]}'

    return LINK.sub(moved, markdown)


def source_page(path: str) -> str:
    """Show a file of the repository."""
    text = (ROOT / path).read_text()
    language = LANGUAGES.get(Path(path).suffix, 'text')
    return f'# `{path}`\n\n````{language}\n{text}\n````\n'


def public_names(package: str) -> list[str]:
    """Read ``__all__`` of a package without importing it."""
    path = ROOT.joinpath(*package.split('.'), '__init__.py')
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            if getattr(node.targets[0], 'id', '') == '__all__':
                return ast.literal_eval(node.value)
    return []


def reference_page(title: str, packages: list[str]) -> str:
    """Ask mkdocstrings for everything that the packages export, once."""
    places: dict[str, str] = {}
    for package in packages:
        for name in public_names(package):
            if name not in SKIPPED:
                places.setdefault(name, f'::: {package}.{name}')
    return '\n\n'.join([f'# {title}', *places.values()]) + '\n'
