"""Metafile, README and documents name what exists and agree on numbers."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from mmgl.experiments import Options
from mmgl.experiments.document import (
    BEGIN,
    END,
    real_document,
    write_documents,
    write_readme,
    write_summaries,
)
from mmgl.experiments.driver import marked_records
from mmgl.experiments.methods import SCALES

ROOT = Path(__file__).parents[1]
LEAVES = {
    str(p.relative_to(ROOT)) for p in (ROOT / 'configs/mmgl').rglob('*.py')
}
DOCUMENTS = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md'] + sorted(
    (ROOT / 'docs').rglob('*.md')
)
RESULTS = ROOT / 'docs/results.md'
# What shows accuracies with two decimals quotes the tables of the results.
QUOTING = [ROOT / 'README.md'] + [
    ROOT / f'docs/{name}.md'
    for name in ('finetuning', 'probe', 'quickstart', 'reproduction', 'rivals')
]
REWRITE = 'run python tools/reproduce.py all --write-only'


@pytest.fixture(scope='module')
def metafiles():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    return {p: yaml.safe_load((ROOT / p).read_text()) for p in index['Import']}


def test_metafiles_list_every_config_once(metafiles):
    there = (ROOT / 'configs/mmgl/metafiles').glob('*.yml')
    assert {str(p.relative_to(ROOT)) for p in there} == set(metafiles)
    models = [m for meta in metafiles.values() for m in meta['Models']]
    configs = [model['Config'] for model in models]
    assert len(configs) == len(set(configs))
    assert set(configs) == LEAVES
    for model in models:
        assert Path(model['Config']).stem == model['Name']


def test_a_metafile_is_of_one_method(metafiles):
    for metafile in metafiles.values():
        [method] = metafile['Collections']
        assert (ROOT / method['README']).is_file()
        collections = {m['In Collection'] for m in metafile['Models']}
        assert collections == {method['Name']}


def test_model_zoo_is_that_of_the_metafiles(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'docs')
    from model_zoo import zoo

    page = (ROOT / 'docs/model_zoo.md').read_text()
    assert page == zoo(), 'run python docs/model_zoo.py'
    assert not [p for p in LEAVES if f'`{Path(p).stem}`' not in page]


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda p: p.name)
def test_paths_in_documents_exist(document):
    text = document.read_text()
    named = set(
        re.findall(
            r'\b(?:configs|tools|benchmarks|tests|docs)/[\w./-]+\.\w+', text
        )
    )
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda p: p.name)
def test_links_in_documents_lead_somewhere(document):
    targets = re.findall(r'\]\(([^)#:]+)\)', document.read_text())
    missing = [t for t in targets if not (document.parent / t).exists()]
    assert not missing


@pytest.fixture(scope='module')
def records():
    options = Options(['all'], results=ROOT / 'docs/results', root=ROOT)
    return {scale: marked_records(options, scale) for scale in SCALES}


def test_results_are_those_of_the_records(records, tmp_path):
    drawn, real = write_documents(
        ROOT / 'docs/results', tmp_path / 'results.md', ROOT, records
    )
    equal = drawn.read_text() == RESULTS.read_text()
    assert equal, REWRITE
    equal = real.read_text() == real_document(RESULTS).read_text()
    assert equal, REWRITE
    tables = write_summaries(tmp_path, 'mini', records['mini'])
    committed = ROOT / 'docs/results/mini/tables'
    assert {p.name for p in tables} == {p.name for p in committed.iterdir()}
    for table in tables:
        equal = table.read_text() == (committed / table.name).read_text()
        assert equal, f'{table.name}: {REWRITE}'


def test_readme_shows_the_records(records, tmp_path):
    written = shutil.copy(ROOT / 'README.md', tmp_path)
    write_readme(Path(written), records['mini'])
    equal = Path(written).read_text() == (ROOT / 'README.md').read_text()
    assert equal, REWRITE


def accuracies(text):
    """Numbers with two decimals of each row of tables of Rank-1 or mAP."""
    for block in text.split('\n\n'):
        lines = block.strip().splitlines()
        if lines and re.match(r'\|.*(Rank-1|\br1\b|mAP)', block.strip()):
            for line in lines[2:]:
                yield set(re.findall(r'(?<![\d.])\d+\.\d\d(?!\d)', line))


@pytest.mark.parametrize('document', QUOTING, ids=lambda p: p.name)
def test_accuracies_are_quoted_as_the_results_have_them(document):
    # What the tool writes into the README is of several rows.
    text = re.sub(f'{BEGIN}.*{END}', '', document.read_text(), flags=re.S)
    pages = (RESULTS, real_document(RESULTS))
    rows = [r for page in pages for r in accuracies(page.read_text())]
    wrong = [
        found
        for found in accuracies(text)
        if not any(found <= row for row in rows)
    ]
    assert not wrong
