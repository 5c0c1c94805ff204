"""Metafile, README and documents name what exists."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LEAVES = {
    str(p.relative_to(ROOT))
    for p in (ROOT / 'configs/mmgl').rglob('*.py')
}
DOCUMENTS = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md'
             ] + sorted((ROOT / 'docs').rglob('*.md'))


def test_metafile_lists_every_config_once():
    metafile = yaml.safe_load(
        (ROOT / 'configs/mmgl/metafile.yml').read_text())
    configs = [model['Config'] for model in metafile['Models']]
    assert len(configs) == len(set(configs))
    assert set(configs) == LEAVES
    collections = {entry['Name'] for entry in metafile['Collections']}
    for model in metafile['Models']:
        assert model['In Collection'] in collections
        assert Path(model['Config']).stem == model['Name']


def test_model_index_imports_the_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    assert all((ROOT / path).is_file() for path in index['Import'])


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda p: p.name)
def test_paths_in_documents_exist(document):
    text = document.read_text()
    named = set(re.findall(
        r'\b(?:configs|tools|benchmarks|tests|docs)/[\w./-]+\.\w+', text))
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda p: p.name)
def test_links_in_documents_lead_somewhere(document):
    targets = re.findall(r'\]\(([^)#:]+)\)', document.read_text())
    missing = [t for t in targets if not (document.parent / t).exists()]
    assert not missing
