"""The table of steps: order, failures and the end of its time."""

from types import SimpleNamespace

import pytest


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """Fill the table with seconds of each mode and a mode that fails."""
    from proof import steps
    from proof.findings import Findings
    from proof.part_options import parse_part, part_parser

    def fill(seconds, compiled=False, broken=None, takes=1):
        options = parse_part(
            part_parser(''),
            ['--out', str(tmp_path / 'a.json'), '--scratch', str(tmp_path)],
        )
        clock = [0.0]
        options.left = lambda: seconds - clock[0]

        def build(method, mode, root, folder, sizes):
            clock[0] += takes
            if (method, mode.key) == broken:
                raise RuntimeError('out of memory\nmore about it')
            return SimpleNamespace(name=method)

        monkeypatch.setattr(steps, 'build', build)
        monkeypatch.setattr(
            steps,
            'measure',
            lambda case, mode, label, _: [case.name, label, *'123456'],
        )
        findings = Findings(options.out, steps.COLUMNS)
        steps.fill_table(options, findings, '', compiled)
        return findings.content['tables'][0]['rows'], findings.content['notes']

    return fill


def test_all_modes(filled):
    rows, notes = filled(100)
    assert not notes and len(rows) == 14
    assert [row[:2] for row in rows[:2]] == [
        ['mmgl', 'bf16, channels last'],
        ['agw', 'bf16, channels last'],
    ]
    assert {row[1] for row in rows} == {
        'fp32',
        'tf32',
        'bf16',
        'fp32, channels last',
        'tf32, channels last',
        'bf16, channels last',
        'bf16, channels last, cuDNN benchmark',
    }
    rows, notes = filled(100, compiled=True)
    assert not notes and len(rows) == 12
    assert all('compiled' in row[1] for row in rows)


def test_a_mode_that_fails_is_named(filled):
    rows, notes = filled(100, broken=('agw', 'tf32'))
    assert notes == ['agw, tf32: failed, RuntimeError: out of memory']
    assert len(rows) == 13


def test_nothing_is_begun_that_cannot_end(filled):
    # The next one may take as long as the longest so far.
    rows, notes = filled(119, compiled=True, takes=40)
    assert [row[0] for row in rows] == ['mmgl', 'agw']
    assert len(notes) == 10 and all('not reached' in one for one in notes)
    # The first one wants some time, too.
    assert filled(30, compiled=True)[0] == []


def test_rehearsal_is_small():
    from proof.sizes import REHEARSAL, Sizes
    from proof.steps import step_options

    options = step_options('agw', REHEARSAL)
    assert options.cfg_options['model.backbone.depth'] == 18
    assert options.cfg_options['train_dataloader.sampler.num_ids'] == 4
    assert (
        step_options('mmgl', REHEARSAL).cfg_options[
            'train_dataloader.sampler.batch_size'
        ]
        == 16
    )
    assert step_options('mmgl', Sizes()).cfg_options == {}
