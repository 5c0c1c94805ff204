"""The data benchmark, on a few images; nothing is timed."""

import json

import pytest


@pytest.mark.slow
def test_data_loading(tmp_path, capsys):
    """Loads the images some ten times: ten seconds with the imports."""
    import data_loading

    out = tmp_path / 'data.json'
    arguments = ['--images', '10', '--repeats', '1', '--out', str(out)]
    result = data_loading.main(arguments)
    assert json.loads(out.read_text()) == result
    figures = {f['name']: f for f in result['figures']}
    for kind in ('fine-tuning', 'pre-training'):
        for source in ('JPEG files', 'packed'):
            one = figures[f'{kind}, {source}, to feed 3000 images/s']
            assert one['target'] == 16 and one['value'] > 0
            assert one['note'].endswith(' images/s')
    one = figures['lanczos, 200 x 80 to 288 x 144, against PIL']
    # Once is no measurement, but no slower than PIL.
    assert one['value'] > 1 and one['at_least']
    assert 'verdict' in capsys.readouterr().out


def test_workers_together(monkeypatch):
    import data_loading

    monkeypatch.setattr(data_loading, 'BATCH', 4)
    arguments = ['--images', '10', '--turns', '1', '--workers', '1']
    arguments += ['--only', 'workers']
    found = data_loading.main(arguments)
    values = {one['name']: one for one in found['figures']}
    assert len(values) == 4
    for kind in ('fine-tuning', 'pre-training'):
        for source in ('JPEG files', 'packed'):
            one = values[f'{kind}, {source}, 1 workers']
            assert one['value'] > 0 and one['verdict'] == '-'
    late = data_loading.main([*arguments, '--seconds', '0'])
    assert not late['figures'] and len(late['notes']) == 4


def test_only_sixteen_cores_have_the_target(monkeypatch):
    import data_loading

    monkeypatch.setattr(data_loading, 'DataLoader', lambda *_, **__: [])
    monkeypatch.setattr(data_loading, 'time_loaded', lambda *_: 96 / 3200)

    def target(workers, cores):
        monkeypatch.setattr(data_loading, 'usable_cores', lambda: cores)
        figure = data_loading.measure_workers('packed', range(5), workers)
        assert figure.value == pytest.approx(3200)
        return figure.target

    assert target(16, 16) == target(16, 64) == 3000
    assert target(16, 2) is None and target(4, 16) is None


def test_batches_go_on(monkeypatch):
    import data_loading

    monkeypatch.setattr(data_loading, 'BATCH', 4)
    batches = data_loading.batches(3, 2)
    assert [[one.index for one in batch] for batch in batches] == [
        [0, 1, 2, 0],
        [1, 2, 0, 1],
    ]
    assert len({one.position for batch in batches for one in batch}) == 8
