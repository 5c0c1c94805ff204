import json

import pytest

from mmgl.config.loading import evaluation_config
from mmgl.config.options import evaluation_parser
from mmgl.evaluation.documents import joined_report, read_report, show_report
from mmgl.evaluation.reports import report_document
from mmgl.utils.errors import ConfigError

TRIALS = [
    {'all_single/rank1': rank, 'all_single/mAP': 0.3, 'indoor_multi/mINP': 0.1}
    for rank in (0.25, 0.3)
]
LOGGED = {
    'all_single/rank1': 27.5,
    'all_single/mAP': 30.0,
    'indoor_multi/mINP': 10.0,
}


def written(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_test_is_one_file_and_is_read_as_it_was_logged(tmp_path):
    report = report_document(TRIALS, dict(protocol='sysu'))
    logged = {**LOGGED, 'toy/error': 3}
    found = joined_report({'': report}, logged, dict(checkpoint='a.pth'))
    assert found['metrics'] == {'toy/error': 3.0}
    assert found['all_search_1shot']['trials'][1] == {'r1': 0.3, 'mAP': 0.3}
    metrics, settings = read_report(written(tmp_path / 'a.json', found))
    assert metrics == pytest.approx(logged, abs=1e-12)
    assert settings['checkpoint'] == 'a.pth'
    assert settings['protocol'] == 'sysu'


def test_metrics_with_a_prefix_stay_apart(tmp_path):
    parts = {
        name: report_document(TRIALS, dict(distance=name))
        for name in ('cosine', 'euclidean')
    }
    logged = {f'{p}/{k}': v for p in parts for k, v in LOGGED.items()}
    found = joined_report(parts, logged, {})
    assert 'metrics' not in found
    metrics, _ = read_report(written(tmp_path / 'a.json', found))
    assert metrics == pytest.approx(logged)


def test_files_of_earlier_versions_are_read(tmp_path):
    old = dict(checkpoint='a.pth', seen=None, device='cpu', metrics=LOGGED)
    metrics, about = read_report(written(tmp_path / 'old.json', old))
    assert metrics == LOGGED and about['device'] == 'cpu'


@pytest.mark.parametrize(
    'content',
    [
        *(3, [], {'settings': {}, 'a': 1}, {'metrics': [1]}),
        {'metrics': {'a/b': 'much'}},
        {'settings': {}, 'a': {'mean': {'r1': None}, 'trials': []}},
    ],
)
def test_another_file_is_no_report(content, tmp_path):
    path = written(tmp_path / 'a.json', content)
    with pytest.raises(ConfigError, match='a.json is no metrics.json'):
        read_report(path)
    with pytest.raises(ConfigError, match='b.json is no metrics.json'):
        read_report(tmp_path / 'b.json')


def test_tables_show_means_and_deviations():
    text = show_report(report_document(TRIALS, dict(protocol='sysu')))
    assert '27.50 ± 3.54' in text and '30.00 ± 0.00' in text
    rows = [line for line in text.splitlines() if 'indoor' in line]
    assert [cell.strip() for cell in rows[0].split('|')[3:6]] == [
        *('', '', '10.00 ± 0.00')
    ]
    assert 'open set' not in text and show_report({'metrics': {}}) == ''


def options(*words):
    return evaluation_parser().parse_args(words)


def test_options_reach_the_metric(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data/synthetic/mini').mkdir(parents=True)
    (tmp_path / 'x.pth').touch()
    config = 'finetune/agw_r18-narrow_synthetic'
    plain = evaluation_config(options(config, 'x.pth'))
    more = options(
        config, 'x.pth', '--rerank', 'k1=9', 'lambda=0.5', '--open-set'
    )
    cfg = evaluation_config(more)
    assert cfg.test_evaluator.pop('rerank') == {'k1': 9, 'lambda': 0.5}
    assert cfg.test_evaluator.pop('open_set') is True
    assert cfg.test_evaluator == plain.test_evaluator
    default = options(config, 'x.pth', '--rerank')
    assert evaluation_config(default).test_evaluator.rerank is True
    pretext = 'pretrain/mmgl_two-stream_r18-narrow_synthetic'
    with pytest.raises(ConfigError, match='--open-set needs a ReIDMetric'):
        evaluation_config(options(pretext, 'x.pth', '--open-set'))
