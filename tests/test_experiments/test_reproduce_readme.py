"""The table of the README, from records that are made up."""

from pathlib import Path

import pytest
from reproducing import FakeRunner, make_options, start

from mmgl.experiments import Cell
from mmgl.experiments.document import (
    BEGIN,
    COLUMNS,
    END,
    readme_table,
    write_readme,
)
from mmgl.experiments.summary import results_of, table_text
from mmgl.utils.paths import config_dir

BEFORE, AFTER = '# Name\n\n', '\n\nMore.\n'


def cells_of(table):
    return [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in table.splitlines()[2:]
    ]


def record(value, **marks):
    metrics = (
        value
        if value == 'fail'
        else {
            f'{group}/{name}': value + n
            for n, group in enumerate(
                ('all_single', 'all_multi', 'indoor_single', 'indoor_multi')
            )
            for name in ('rank1', 'rank10', 'rank20', 'mAP')
        }
    )
    return {'metrics': metrics, 'verdict': None, **marks}


@pytest.mark.parametrize('scale, heads', [('mini', 2), ('full', 8)])
def test_what_is_measured_has_its_columns(scale, heads):
    """All of photographs, what is compared of drawn people."""
    records = {Cell(scale, 'agw', 'random', 0): record(4.0)}
    results = results_of('table2', scale, records)
    parts = table_text('table2', scale, results).split(':\n\n')
    assert len(parts) == (3 if scale == 'mini' else 5)
    grid = parts[1].splitlines()
    assert len(grid[0].strip('|').split('|')) == 2 + heads + 1
    (row,) = (line for line in grid if line.count(' 4.00 |'))
    assert row.count(' 4.00 |') == heads / (1 if scale == 'mini' else 2)
    assert row.endswith(' 1 |')


def test_the_gain_is_that_of_equal_seeds():
    values = {
        'random': {0: 4.0, 1: 'fail', 2: 8.0, 3: 1.0},
        'mmgl': {0: 10.0, 1: 40.0, 2: 20.0},
    }
    table = readme_table(
        {
            Cell('mini', 'agw', init, seed): record(value)
            for init, seeds in values.items()
            for seed, value in seeds.items()
        }
    )
    random, mmgl, gain = cells_of(table)
    # Indoor-search is made up to be 2 higher.
    assert random == [
        'AGW',
        'random',
        *['4.33 ± 3.51'] * 2,
        *['6.33 ± 3.51'] * 2,
        '4 (fail: 1)',
    ]
    assert mmgl == [
        'AGW',
        'MMGL',
        *['23.33 ± 15.28'] * 2,
        *['25.33 ± 15.28'] * 2,
        '3',
    ]
    # Seeds 0 and 2: 6 and 12.
    assert gain == ['gain', '', *['+9.00 ± 4.24'] * 4, '2']


def test_old_and_missing_runs_are_told():
    old = record(4.0, stale=True)
    random, mmgl, gain = cells_of(
        readme_table({Cell('mini', 'agw', 'random', 0): old})
    )
    assert random[-2:] == ['6.00', '1 (outdated)']
    assert mmgl[2:] == gain[2:] == ['–'] * (len(COLUMNS) + 1)


def test_only_what_stands_between_the_marks_is_replaced(tmp_path):
    readme = tmp_path / 'README.md'
    readme.write_text(f'{BEFORE}{BEGIN}\nold\n{END}{AFTER}')
    for _ in range(2):
        write_readme(readme, {})
        assert readme.read_text() == (
            f'{BEFORE}{BEGIN}\n\n{readme_table({})}\n\n{END}{AFTER}'
        )
    for text in (f'{END}{BEGIN}', BEGIN, END):
        readme.write_text(text)
        with pytest.raises(ValueError, match='README.md lacks the line'):
            write_readme(readme, {})
        assert readme.read_text() == text


def test_the_readme_is_written_with_the_document_of_the_root(tmp_path):
    root = tmp_path / 'root'
    root.mkdir()
    (root / 'configs').symlink_to(config_dir())
    readme = root / 'README.md'
    readme.write_text(f'{BEGIN}{END}')
    other = make_options(tmp_path, root=root, only=['agw'])
    code, text = start(other, FakeRunner())
    assert code == 0 and 'Wrote' in text
    assert readme.read_text() == f'{BEGIN}{END}'
    official = make_options(
        tmp_path, root=root, document=root / 'docs/results.md', write_only=True
    )
    code, text = start(official)
    assert code == 0 and f'Wrote {readme}' in text
    assert '+25.00 ± 0.00' in readme.read_text()
    assert Path(official.document).is_file()
