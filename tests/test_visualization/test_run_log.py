import json

import numpy as np
import pytest

from mmgl.visualization import load_run_log, smooth


def write(folder, records, broken=''):
    folder = folder / 'vis_data'
    folder.mkdir(parents=True)
    text = ''.join(json.dumps(r) + '\n' for r in records)
    (folder / 'scalars.json').write_text(text + broken)


def train(step, loss, per_epoch=10):
    return dict(
        lr=0.1,
        loss=loss,
        time=1.0,
        iter=(step - 1) % per_epoch + 1,
        epoch=(step - 1) // per_epoch + 1,
        step=step,
    )


def test_parts_and_epochs(tmp_path):
    write(
        tmp_path / '20260101_000000',
        [
            train(5, 2.0),
            train(10, 1.0),
            {'a/acc': 50.0, 'time': 0.1, 'step': 1},
            train(20, 0.5),
        ],
    )
    log = load_run_log(tmp_path)
    assert log.keys('train') == ['loss']
    assert log.keys('val') == ['a/acc']
    x, y = log.series('train', 'loss')
    np.testing.assert_allclose(x, [0.5, 1.0, 2.0])
    np.testing.assert_allclose(y, [2.0, 1.0, 0.5])
    np.testing.assert_allclose(log.series('val', 'a/acc')[0], [1.0])


def test_resumed_run_replaces_what_it_repeats(tmp_path):
    write(
        tmp_path / '20260101_000000',
        [
            train(10, 1.0),
            train(20, 2.0),
            train(35, 3.0),
            {'acc': 1.0, 'step': 1},
            {'acc': 2.0, 'step': 2},
        ],
    )
    write(
        tmp_path / '20260101_000100',
        [train(20, 20.0), train(30, 30.0), {'acc': 20.0, 'step': 2}],
    )
    log = load_run_log(tmp_path)
    assert [r['step'] for r in log.train] == [10, 20, 30]
    assert [r['loss'] for r in log.train] == [1.0, 20.0, 30.0]
    assert [r['acc'] for r in log.val] == [1.0, 20.0]


def test_half_last_line_is_left_out_and_a_broken_one_named(tmp_path):
    write(tmp_path / 'a', [train(1, 1.0)], broken='{"loss": 3')
    assert len(load_run_log(tmp_path / 'a').train) == 1
    write(tmp_path / 'b', [], broken='{"loss": 3\n{"step": 1}\n')
    with pytest.raises(ValueError, match='line 1'):
        load_run_log(tmp_path / 'b')


def test_missing_file_and_key(tmp_path):
    with pytest.raises(FileNotFoundError, match='scalars.json'):
        load_run_log(tmp_path)
    write(tmp_path / 'a', [train(1, 1.0)])
    with pytest.raises(ValueError, match="'acc'"):
        load_run_log(tmp_path / 'a').series('train', 'acc')


def test_smooth_against_a_loop():
    rng = np.random.default_rng(0)
    values = rng.normal(size=20)
    values[7] = np.nan
    sigma = 1.5
    reach = int(4 * sigma + 0.5)
    expected = []
    for i in range(20):
        near = [
            j
            for j in range(20)
            if abs(i - j) <= reach and np.isfinite(values[j])
        ]
        w = [np.exp(-0.5 * ((i - j) / sigma) ** 2) for j in near]
        expected.append(np.dot(w, values[near]) / sum(w))
    np.testing.assert_allclose(smooth(values, sigma), expected)
    np.testing.assert_array_equal(smooth(values, 0), values)
    with pytest.raises(ValueError, match='sigma'):
        smooth(values, -1)


@pytest.mark.parametrize(
    'line', ['[1]', '3', '{"step": "x"}', '{"step": 1, "epoch": -1}']
)
def test_lines_that_are_no_records(tmp_path, line):
    write(tmp_path, [train(1, 1.0)], broken=f'{line}\n{{"step": 2}}\n')
    with pytest.raises(ValueError, match='line 2 is no record'):
        load_run_log(tmp_path)


def test_losses_that_are_no_numbers(tmp_path):
    write(tmp_path, [train(1, 1.0), train(2, '1'), train(3, 1.0)])
    with pytest.raises(ValueError, match="Step 2: loss is '1'"):
        load_run_log(tmp_path).series('train', 'loss')
