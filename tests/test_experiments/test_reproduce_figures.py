"""Planning the figures, with a runner that makes results up."""

import json
from pathlib import Path

import pytest
from reproducing import FakeRunner, make_options, start

from mmgl.apis.curves import cost_parser, curves_parser
from mmgl.apis.pictures import ranking_parser, tsne_parser

PARSERS = dict(
    cost=cost_parser,
    plot_curves=curves_parser,
    ranking=ranking_parser,
    tsne=tsne_parser,
)


def test_figures_come_after_what_they_show(tmp_path):
    options = make_options(
        tmp_path,
        seeds=1,
        only=(),
        targets=['fig1', 'fig3', 'fig4', 'fig5', 'fig6', 'fig7', 'fig8'],
    )
    runner = FakeRunner()
    code, text = start(options, runner)
    assert code == 0, text
    order = runner.ran.index
    assert order('figures/fig4') > order('agw_mmgl_seed0/features')
    assert runner.ran[-1] == 'figures/fig1'
    assert runner.ran.count('pretrain/mmgl_two-stream_seed0') == 1
    for name in ('fig1', 'fig3', 'fig4', 'fig5', 'fig6', 'fig7', 'fig8'):
        command = runner.commands[f'figures/{name}']
        assert command[command.index('--out') + 1] == str(
            options.work_dir / f'figures/{name}.png'
        )
    words = runner.commands['figures/fig3']
    assert (
        'random' in words
        and str(
            options.work_dir / 'pretrain/mmgl_two-stream_seed0/epoch_1.pth'
        )
        in words
    )
    assert words[words.index('--data-root') + 1] == str(tmp_path / 'data')
    points = json.loads((options.work_dir / 'figures/fig1.json').read_text())
    assert {p['label'] for p in points} >= {'random', 'SimCLR', 'MMGL'}
    assert next(p for p in points if p['label'] == 'random')['seconds'] == 0
    # What is drawn is not drawn again.
    again = FakeRunner()
    assert start(options, again)[0] == 0 and not again.ran


@pytest.mark.parametrize('scale', ['mini', 'full'])
def test_figure_commands_are_understood_by_the_tools(
    scale, tmp_path, monkeypatch
):
    names = ['fig3', 'fig4']
    if scale == 'mini':
        names += ['fig1', 'fig5', 'fig6', 'fig7', 'fig8']
    # There are no images to look for.
    monkeypatch.setattr(
        'mmgl.experiments.driver.check_data', lambda *_, **__: []
    )
    options = make_options(
        tmp_path, seeds=1, only=(), targets=names, scale=scale
    )
    runner = FakeRunner()
    start(options, runner)
    for name in names:
        _, tool, *words = runner.commands[f'figures/{name}']
        options = PARSERS[Path(tool).stem]().parse_args(words)
        assert options.out.endswith(f'{name}.png')
        if name in ('fig3', 'fig4'):
            assert options.per_modality == (0 if scale == 'full' else 30)


def test_a_figure_without_points_is_a_failure_among_others(tmp_path):
    options = make_options(
        tmp_path, seeds=1, targets=['fig1', 'table4'], only=['mmgl']
    )
    lost = FakeRunner(fail=['agw_mmgl-10e_seed0/evaluate'])
    code, text = start(options, lost)
    assert code == 1
    assert 'failed: figures/fig1: fig1: no record of Table IV' in text
    assert 'failed: agw_mmgl-10e_seed0/evaluate' in text
    assert f'Wrote {options.document}' in text and options.document.exists()
