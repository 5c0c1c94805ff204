"""Tables and folders of images: what is read, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from own_data import HEADER, rows_of, write_folders, write_table

from mmgl.apis.verification import run_verification
from mmgl.datasets import ReIDTable
from mmgl.datasets.listing import count_images
from mmgl.datasets.reid_table import persons_to_test
from mmgl.datasets.samplers import CrossModalPairSampler, IdentitySampler
from mmgl.datasets.verify_own import verify_own
from mmgl.utils.errors import ConfigError

ROWS = [
    ('a/1.jpg', 'anna', 0, 'visible', 'train'),
    ('a/2.jpg', 'anna', 3, 'infrared', 'train'),
    ('a/3.jpg', 'anna', 3, 'infrared', 'train'),
    ('b/1.jpg', 'bert', 0, 'visible', 'train'),
    ('b/2.jpg', 'bert', 3, 'infrared', 'train'),
    ('c/1.jpg', 'cleo', 0, 'visible', 'test'),
    ('c/2.jpg', 'cleo', 3, 'infrared', 'query'),
    ('d/1.jpg', 'dora', 1, 'visible', 'gallery'),
    ('d/2.jpg', 'dora', 4, 'infrared', 'query'),
    ('e/1.jpg', 'emil', 1, 'visible', 'val'),
]


@pytest.fixture
def root(tmp_path):
    """Empty files: data sets do not look into them."""
    for path, *_ in ROWS:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def build(root, rows=ROWS, split='train', **kwargs):
    write_table(root / 'people.csv', rows)
    return ReIDTable(str(root), split, 'people.csv', **kwargs)


def entries(data):
    return [data.get_data_info(i) for i in range(len(data))]


def test_splits_of_a_table(root):
    train = build(root)
    assert train.metainfo['pids'] == ['anna', 'bert']
    assert train.metainfo['num_pids'] == 2
    assert train.field('pid').tolist() == [0, 0, 0, 1, 1]
    assert train.field('index').tolist() == [1, 1, 2, 1, 1]
    assert entries(train)[0]['img_path'] == str(root / 'a/1.jpg')
    test = build(root, split='test')
    assert test.field('pid').tolist() == [2, 2, 3, 3]
    assert test.metainfo['roles'].tolist() == [
        [2, 0, 0, 1, 0],
        [2, 3, 1, 1, 1],
        [3, 1, 0, 1, 2],
        [3, 4, 1, 1, 1],
    ]
    assert build(root, split='query').field('camid').tolist() == [0, 3, 4]
    assert build(root, split='gallery').field('camid').tolist() == [0, 1]
    assert build(root, split='val').metainfo['pids'] == ['emil']


def test_numbers_are_kept_and_ordered_by_value(root):
    number = dict(anna='10', bert='9', cleo='0011', dora='8', emil='7.0')
    rows = [(path, number[pid], *rest) for path, pid, *rest in ROWS]
    train = build(root, rows)
    assert train.metainfo['pids'] == ['9', '10']
    assert train.field('pid').tolist() == [1, 1, 1, 0, 0]
    assert train.field('raw_pid').tolist() == [10, 10, 10, 9, 9]
    assert build(root, rows, 'test').field('pid').tolist() == [11, 11, 8, 8]
    assert build(root, rows, 'val').metainfo['pids'] == ['7']


def test_without_splits_persons_are_divided_by_their_names(root):
    rows = [row[:4] for row in ROWS]
    write_table(root / 'people.csv', rows, HEADER[:4])
    args = str(root), 'people.csv'
    train, test = (
        ReIDTable(args[0], split, args[1]).metainfo['pids']
        for split in ('train', 'test')
    )
    assert sorted(train + test) == ['anna', 'bert', 'cleo', 'dora', 'emil']
    assert len(test) == 2
    for split in ('train', 'test'):
        whole = ReIDTable(args[0], split, args[1], test_share=0)
        assert whole.metainfo['num_pids'] == 5
    with pytest.raises(ConfigError, match="split 'val' .* has no image"):
        ReIDTable(args[0], 'val', args[1])


@pytest.mark.parametrize('share', [0.01, 0.3, 0.5, 0.99])
def test_division_is_a_function_of_the_names(share):
    names = [f'person {i}' for i in range(40)]
    kept = {names[i] for i in persons_to_test(names, share)}
    turned = names[::-1]
    assert kept == {turned[i] for i in persons_to_test(turned, share)}
    assert len(kept) == min(max(1, round(40 * share)), 39)


def test_other_columns_are_left_alone(root):
    header = ('time', 'modality', 'path', 'weather', 'pid')
    rows = [(9, m, path, 'rain', pid) for path, pid, _, m, _ in ROWS]
    write_table(root / 'people.csv', rows, header)
    data = ReIDTable(str(root), 'train', 'people.csv', test_share=0)
    # Without cameras each modality is one.
    assert set(data.field('camid')) == {1, 2}
    assert (data.field('camid') == data.field('modality') + 1).all()


def test_one_modality_only(root):
    """Pre-training takes everyone; identities are left out, and counted."""
    rows = [*ROWS[:5], ('c/1.jpg', 'cleo', 0, 'visible', 'train')]
    data = build(root, rows)
    assert CrossModalPairSampler(data, batch_size=4).num_pairs == 4
    with pytest.raises(ConfigError, match='1 identities have no infrared'):
        IdentitySampler(data, num_ids=2, num_instances=1)
    with pytest.warns(UserWarning, match='1 of 3 persons'):
        data = build(root, rows, paired=True)
    assert data.metainfo['num_pids'] == 2
    assert len(IdentitySampler(data, num_ids=2, num_instances=1))


def test_without_identities_there_is_pretraining_only(root):
    write_table(
        root / 'people.csv',
        [(path, m) for path, _, _, m, _ in ROWS],
        ('path', 'modality'),
    )
    data = ReIDTable(str(root), 'train', 'people.csv')
    assert len(data) == 10 and 'num_pids' not in data.metainfo
    assert len(CrossModalPairSampler(data, batch_size=4))
    with pytest.raises(ConfigError, match='has no identities: it can be pre'):
        IdentitySampler(data)
    with pytest.raises(ConfigError, match='nothing to test; add the column'):
        ReIDTable(str(root), 'test', 'people.csv')


def test_folders_equal_tables(root, tmp_path_factory):
    for splits in (False, True):
        folder = tmp_path_factory.mktemp('own')
        write_folders(folder, root, ROWS, splits)
        data = ReIDTable(str(folder), 'train', test_share=0)
        assert data.metainfo['pids'][:2] == ['anna', 'bert']
        assert len(data) == (5 if splits else 10)
        test = ReIDTable(str(folder), 'test')
        assert ('roles' in test.metainfo) == splits
    plain = tmp_path_factory.mktemp('plain')
    for word in ('visible', 'infrared'):
        (plain / word).mkdir()
        (plain / word / '1.jpg').touch()
        (plain / word / '.hidden.jpg').touch()
        (plain / word / 'notes.txt').touch()
    assert len(ReIDTable(str(plain), 'train')) == 2


def test_parquet_equals_csv(root):
    arrow = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    columns = dict(
        zip(HEADER, map(list, zip(*ROWS, strict=True)), strict=True)
    )
    parquet.write_table(arrow.table(columns), root / 'people.parquet')
    for split in ('train', 'test'):
        data = ReIDTable(str(root), split, 'people.parquet')
        assert entries(data) == entries(build(root, split=split))
    (root / 'people.parquet').write_bytes(b'PAR1 no more')
    with pytest.raises(ConfigError, match='no sound Parquet file'):
        ReIDTable(str(root), 'train', 'people.parquet')


GOOD = 'a/1.jpg,anna,0,visible,train\n'
HEAD = 'path,pid,camid,modality,split\n'
HOSTILE = {
    'nothing': ('', "no column 'path'"),
    'a header only': (HEAD, 'has no rows'),
    'no path': ('pid,modality\nanna,visible\n', "no column 'path'"),
    'semicolons': (
        HEAD.replace(',', ';') + GOOD.replace(',', ';'),
        'separated by commas',
    ),
    'a near miss': (
        'path,pid,cam_id,modality\na/1.jpg,anna,0,visible\n',
        "no column 'camid' but one 'cam_id'; call it so",
    ),
    'a column twice': (
        'path,pid,pid,modality\na/1.jpg,x,y,visible\n',
        "two columns 'pid'",
    ),
    'a word for infrared': (
        HEAD + GOOD + 'a/2.jpg,anna,3,thermal,train\n',
        "row 3 of .*modality must be one of visible, infrared, got 'thermal'",
    ),
    'a typing error': (
        HEAD + 'a/1.jpg,anna,0,visble,train\n',
        "did you mean 'visible'",
    ),
    'a split of its own': (
        HEAD + 'a/1.jpg,anna,0,visible,training\n',
        "split must be one of train, val, test.*did you mean 'train'",
    ),
    'a negative camera': (
        HEAD + 'a/1.jpg,anna,-1,visible,train\n',
        "row 2 .*camid must be a whole number from 0, got '-1'",
    ),
    'a camera with a name': (
        HEAD + 'a/1.jpg,anna,lobby,visible,train\n',
        "got 'lobby'; number the cameras",
    ),
    'a camera past all numbers': (
        HEAD + 'a/1.jpg,anna,99999999999,visible,train\n',
        'camid must be a whole number',
    ),
    'no person': (HEAD + 'a/1.jpg,,0,visible,train\n', 'row 2 .* has no pid'),
    'NaN': (HEAD + 'a/1.jpg,nan,0,visible,train\n', 'has no pid'),
    'no image': (HEAD + ' ,anna,0,visible,train\n', 'has no path'),
    'an image twice': (HEAD + GOOD + './' + GOOD, 'a second time'),
    'an image by two paths': (
        HEAD + GOOD + '{root}/' + GOOD,
        "row 3 .* names '/.*a/1.jpg' a second time",
    ),
    'a long name': (
        HEAD + f'a/1.jpg,{"9" * 5000},0,visible,train\n',
        'a pid has at most 200 characters',
    ),
    'another split only': (
        HEAD + GOOD.replace('train', 'val'),
        "split 'train' of .*people.csv' has no image; add some",
    ),
    'an image that is not there': (
        HEAD + GOOD + 'a/9.jpg,anna,0,visible,train\n',
        "1 of 2 images .* are missing, such as 'a/9.jpg'",
    ),
    'a path out of the folder': (
        HEAD + '../a/1.jpg,anna,0,visible,train\n',
        'leads out of data_root',
    ),
    'too many cells': (HEAD + 'a/1,jpg' + GOOD, 'has 6 cells, the header 5'),
    'a quote that does not end': (HEAD + '"a/1.jpg,anna', 'cannot be read'),
    'a person in two splits': (
        HEAD + GOOD + 'a/2.jpg,anna,3,infrared,query\n',
        "1 persons .* are in two splits, such as 'anna' in train and test",
    ),
}


@pytest.mark.parametrize('case', HOSTILE)
def test_hostile_tables_are_one_sentence(case, root):
    text, words = HOSTILE[case]
    (root / 'people.csv').write_text(text.replace('{root}', str(root)))
    with pytest.raises((ConfigError, FileNotFoundError), match=words) as error:
        ReIDTable(str(root), 'train', 'people.csv')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'content',
    [
        b'\xef\xbb\xbf' + (HEAD + GOOD).encode(),
        (HEAD + GOOD).replace('\n', '\r\n').encode(),
        (HEAD + '\n\n' + GOOD).encode(),
        (HEAD + GOOD.replace('a/', 'a\\')).encode(),
        (HEAD + '"a/1.jpg", anna ,0.0,0,train').encode(),
    ],
    ids=['BOM', 'CRLF', 'empty lines', 'backslashes', 'quotes and blanks'],
)
def test_forms_that_programs_write(content, root):
    (root / 'people.csv').write_bytes(content)
    (entry,) = entries(ReIDTable(str(root), 'train', 'people.csv'))
    assert entry['img_path'] == str(root / 'a/1.jpg')
    assert (entry['camid'], entry['modality']) == (0, 0)


@pytest.mark.parametrize(
    'content', [b'\xff\xfep\0a\0', bytes(range(256)), b'path\0,modality\n']
)
def test_what_is_no_text_is_refused(content, root):
    (root / 'people.csv').write_bytes(content)
    with pytest.raises(ConfigError, match='people.csv'):
        ReIDTable(str(root), 'train', 'people.csv')


def test_absolute_paths_and_tables(root, tmp_path_factory):
    other = tmp_path_factory.mktemp('elsewhere')
    rows = [(root / path, *rest) for path, *rest in ROWS]
    table = write_table(other / 'people.csv', rows)
    data = ReIDTable(str(other), 'train', str(table))
    assert entries(data)[0]['img_path'] == str(root / 'a/1.jpg')
    with pytest.raises(FileNotFoundError, match='there is no table'):
        ReIDTable(str(other), 'train', 'cats.csv')


@pytest.mark.parametrize(
    'paths, words',
    [
        (['cam1/1.jpg'], 'has neither visible nor train; it must hold'),
        (['Visible/anna/1.jpg'], "'Visible' in .*did you mean 'visible'"),
        (
            ['visible/anna/1.jpg', 'Infrared/anna/1.jpg'],
            "'Infrared' in .* is not read .did you mean 'infrared'",
        ),
        (['Train/visible/1.jpg', 'test/visible/1.jpg'], "mean 'train'"),
        (['train/visibles/1.jpg'], "'train/visibles' .*mean 'visible'"),
        (['visible/1.jpg', 'train/visible/1.jpg'], 'both train and visible'),
        (['visible/anna/1.jpg', 'visible/2.jpg'], 'with and without a folder'),
        (['visible/2.jpg', 'infrared/anna/1.jpg'], 'with and without a fold'),
        (['visible/anna/cam1/1.jpg'], 'is a folder inside that of person'),
        (['visible/anna/1.txt'], 'holds no image'),
    ],
)
def test_hostile_folders_are_one_sentence(paths, words, tmp_path):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    with pytest.raises(ConfigError, match=words) as error:
        ReIDTable(str(tmp_path), 'train')
    assert '\n' not in str(error.value)


def test_images_are_counted_in_the_order_of_the_rows():
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 3, (3, 200))
    seen = {}
    expected = []
    for key in zip(*columns.tolist(), strict=True):
        seen[key] = seen.get(key, 0) + 1
        expected.append(seen[key])
    assert count_images(*columns).tolist() == expected


def test_verification_counts_and_names(root, capsys):
    table = [*ROWS, ('f/1.jpg', 'fred', 1, 'visible', 'train')]
    write_table(
        root / 'people.csv',
        [(*row, 'rain') for row in table],
        (*HEADER, 'weather'),
    )
    options = ['--root', str(root), '--layout', 'table']
    status = run_verification([*options, '--table', 'people.csv'])
    said = capsys.readouterr().out
    assert status == 1
    for words in (
        'train persons: 3',
        'train visible images: 3',
        'query infrared images: 2',
        'cameras: 4',
        "2 persons have no infrared image, such as 'emil'",
        "column 'weather' of people.csv is not read",
        'f/1.jpg: missing; restore the image',
        'a/1.jpg: empty file; restore the image',
        f'{len(table)} problem(s)',
    ):
        assert words in said
    with pytest.raises(SystemExit):
        run_verification(options)


def test_verification_of_folders(tmp_path, tiny_sysu):
    write_folders(tmp_path, Path(tiny_sysu), rows_of(tiny_sysu, persons=3))
    report = verify_own(str(tmp_path), decode=True)
    assert report.problems == [] and report.notes == []
    assert report.counts['persons'] == 3 and report.counts['cameras'] == 2
    for lost in ('IR/x/1.jpg', 'visible/person 1/1.webp', '.git/x'):
        (tmp_path / lost).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / lost).touch()
    (note,) = verify_own(str(tmp_path)).notes
    assert note.startswith('2 files of') and "such as 'IR/x/1.jpg'" in note
    (tmp_path / 'train').mkdir()
    (problem,) = verify_own(str(tmp_path)).problems
    assert 'both train and visible' in problem


def test_verification_notes_what_may_mean_something_else(root):
    rows = [(path, '007', 1, *rest) for path, _, _, *rest in ROWS[:1]]
    rows += [(path, '7', 1, *rest) for path, _, _, *rest in ROWS[1:2]]
    rows += [(path, '-1', 3, *rest) for path, _, _, *rest in ROWS[2:]]
    rows = [
        (*row[:3], 'infrared' if i else 'visible')
        for i, row in enumerate(rows)
    ]
    write_table(root / 'people.csv', rows, HEADER[:4])
    notes = ' '.join(verify_own(str(root), 'people.csv').notes)
    for words in (
        "'007' and '7' are two persons",
        "'-1' is a person like others",
        'camera 1 has images of both modalities',
    ):
        assert words in notes


def test_without_pairs_training_with_identities_says_so(root):
    rows = [row for row in ROWS if row[3] == 'visible']
    with (
        pytest.warns(UserWarning, match='of one modality only'),
        pytest.raises(ConfigError, match='nobody with images of both'),
    ):
        build(root, rows, paired=True)
