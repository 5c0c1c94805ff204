import json

import pytest

from mmgl.utils.benchmark import (
    Figure,
    alternate,
    describe_machine,
    format_table,
    peak_memory,
    report,
    run_python,
)


def test_verdicts():
    assert Figure('a', 1.0, 1.0).verdict == 'met'
    assert Figure('a', 1.1, 1.0).verdict == 'missed'
    assert Figure('a', 1.1, 1.0, at_least=True).verdict == 'met'
    assert Figure('a', 0.9, 1.0, at_least=True).verdict == 'missed'
    assert Figure('a', 0.9).verdict == '-'


def test_functions_take_turns_and_the_first_round_does_not_count():
    now, calls = [0.0], []

    def work(name, seconds):
        def run():
            calls.append(name)
            now[0] += seconds[min(calls.count(name), len(seconds)) - 1]

        return run

    found = alternate(
        dict(a=work('a', [100, 1, 9, 2]), b=work('b', [50, 3])),
        repeats=3,
        clock=lambda: now[0],
    )
    assert calls == ['a', 'b'] * 4
    assert found == dict(a=2, b=3)


def test_table_and_report(tmp_path, capsys):
    figures = [
        Figure('speed', 0.5, 0.7, note='fine'),
        Figure('images', 10, 20, 'images/s', at_least=True),
    ]
    lines = format_table(figures).splitlines()
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1
    assert lines[2].split('|')[2:5] == [
        ' 0.5 x       ',
        ' <= 0.7 ',
        ' met     ',
    ]
    content = report('Title', figures, tmp_path / 'new/a.json', images=3)
    assert '## Title' in capsys.readouterr().out
    assert json.loads((tmp_path / 'new/a.json').read_text()) == content
    assert content['figures'][1]['verdict'] == 'missed'
    assert content['images'] == 3 and content['machine']['cores'] > 0


def test_a_processor_chosen_by_the_environment_is_told(monkeypatch):
    monkeypatch.delenv('OPENBLAS_CORETYPE', raising=False)
    plain = describe_machine()['BLAS']
    assert plain and '(' not in plain
    monkeypatch.setenv('OPENBLAS_CORETYPE', 'Haswell')
    assert describe_machine()['BLAS'] == f'{plain} (by OPENBLAS_CORETYPE)'


def test_what_was_measured_before_a_failure_stays(tmp_path):
    out, notes = tmp_path / 'a.json', []

    def measure():
        yield Figure('first', 1.0)
        notes.append('a detail has grown')
        yield None
        raise RuntimeError

    with pytest.raises(RuntimeError):
        report('Title', measure(), out, notes=notes)
    content = json.loads(out.read_text())
    assert [one['name'] for one in content['figures']] == ['first']
    assert content['notes'] == ['a detail has grown']


def test_memory_is_that_of_the_process_itself(tmp_path):
    much = bytearray(b'1' * 2**28)
    assert peak_memory() > 0.25
    script = tmp_path / 'script.py'
    script.write_text(
        'from mmgl.utils.benchmark import peak_memory\nprint(peak_memory())\n'
    )
    done = run_python(script, capture=True)
    assert 0 < float(done.stdout) < 0.2
    del much


def test_function_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        alternate(dict(a=lambda: 1 / 0))
