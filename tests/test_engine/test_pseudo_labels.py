"""Training without labels, from features to clusters to steps.

A run of four steps takes two seconds.
"""

import numpy as np
import pytest
import torch
from forked_ranks import run_ranks
from own_data import rows_of, write_table

from mmgl.config.loading import build_runner, derive_loaders, load_config
from mmgl.datasets import ReIDDataset
from mmgl.engine.hooks import PseudoLabelHook
from mmgl.utils.errors import ConfigError, TrainingDivergedError
from mmgl.utils.paths import config_dir

LEAF = config_dir() / 'mmgl/finetune/label-free_r18-narrow_synthetic.py'


def small(root, work_dir, epochs=2):
    cfg = load_config(LEAF)
    cfg['work_dir'] = str(work_dir)
    for key in ('test_dataloader', 'test_evaluator', 'test_cfg'):
        cfg[key] = None
    cfg.model.backbone.update(base_channels=8)
    loader = cfg.train_dataloader
    loader.update(num_workers=0, batch_size=8)
    loader.dataset['data_root'] = root
    loader.sampler.update(num_ids=2, num_instances=2, num_iters=2)
    derive_loaders(cfg)
    hook = pseudo_labels(cfg)
    hook.update(k1=8, k2=3, min_samples=3)
    cfg.custom_hooks[-1].update(begin=0, end=1)
    cfg.train_cfg['max_epochs'] = epochs
    cfg['randomness'] = dict(seed=3)
    return cfg


def pseudo_labels(cfg):
    return next(h for h in cfg.custom_hooks if h.type == 'PseudoLabelHook')


def train(cfg):
    runner = build_runner(cfg)
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    runner.train()
    after = runner.model.state_dict()
    assert all(torch.isfinite(v).all() for v in after.values())
    moved = [k for k, v in after.items() if not torch.equal(before[k], v)]
    assert len(moved) > len(after) / 2
    return runner


def same(one, other):
    return all(torch.equal(v, other[k]) for k, v in one.items())


def test_true_pids_play_no_part(tiny_sysu, tmp_path, monkeypatch):
    """The same images with other pids give the same training, bit for bit."""
    first = train(small(tiny_sysu, tmp_path / 'first')).model.state_dict()
    make_entry = ReIDDataset.make_entry
    order = np.random.default_rng(0).permutation(12).tolist()

    def other(self, path, pid, raw_pid, *numbers):
        pid = order[pid]
        return make_entry(self, path, pid, 1000 - raw_pid, *numbers)

    monkeypatch.setattr(ReIDDataset, 'make_entry', other)
    runner = train(small(tiny_sysu, tmp_path / 'second'))
    pids = runner.train_dataloader.dataset.field('pid')
    assert pids[0] == order[0] != 0
    assert same(first, runner.model.state_dict())
    # Neither is there anything that could know them.
    found = runner.message_hub.get_scalar('train/clusters_visible')
    assert found.current() >= 2
    path = tmp_path / 'second' / 'epoch_2.pth'
    saved = torch.load(path, weights_only=False)
    assert saved['meta']['seen'][-1]['labels'] is False


def test_clusters_reach_memory_and_sampler(tiny_sysu, tmp_path):
    runner = train(small(tiny_sysu, tmp_path, epochs=1))
    sampler, hub = runner.train_dataloader.sampler, runner.message_hub
    memory = runner.model.heads.memory
    visible, infrared = (
        int(hub.get_scalar(f'train/clusters_{name}').current())
        for name in ('visible', 'infrared')
    )
    assert memory.modality.tolist() == [0] * visible + [1] * infrared
    assert (memory.modality[memory.partner] != memory.modality).all()
    norms = memory.centers.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    labels = {(d.label, sampler.modality[d.index]) for d in sampler}
    assert labels <= set(enumerate(memory.modality.tolist()))
    share = hub.get_scalar('train/clustered').current()
    assert share == pytest.approx((sampler._labels >= 0).mean())


def labels_of(rank, root, folder):
    """What the hook makes of the images, on one of some ranks."""
    cfg = small(root, folder / str(rank), epochs=1)
    cfg.train_dataloader.sampler['num_ids'] = 1
    runner = build_runner(cfg)
    hook = next(h for h in runner.hooks if isinstance(h, PseudoLabelHook))
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    memory = runner.model.heads.memory
    labels = runner.train_dataloader.sampler._labels
    return labels.tolist(), memory.centers.tolist(), memory.partner.tolist()


def test_ranks_label_as_one_process_does(tiny_sysu, tmp_path):
    labels, centers, partner = labels_of(0, tiny_sysu, tmp_path / 'one')
    assert max(labels) + 1 == len(centers) == len(partner) >= 4
    for found in run_ranks(tmp_path, labels_of, tiny_sysu, tmp_path):
        assert found[0] == labels and found[2] == partner
        np.testing.assert_allclose(found[1], centers, atol=1e-5)


def test_a_resumed_run_is_the_uninterrupted_one(tiny_sysu, tmp_path):
    whole = train(small(tiny_sysu, tmp_path))
    cfg = small(tiny_sysu, tmp_path)
    cfg.update(resume=True, load_from=str(tmp_path / 'epoch_1.pth'))
    runner = build_runner(cfg)
    runner.train()
    assert same(whole.model.state_dict(), runner.model.state_dict())


def test_images_without_identities_will_do(tiny_sysu, tmp_path):
    rows = [(path, kind) for path, _, _, kind, _ in rows_of(tiny_sysu)]
    table = write_table(tmp_path / 'images.csv', rows, ('path', 'modality'))
    cfg = small(tiny_sysu, tmp_path, epochs=1)
    cfg.train_dataloader.dataset.update(
        type='ReIDTable', table=str(table), split='train'
    )
    dataset = train(cfg).train_dataloader.dataset
    with pytest.raises(ConfigError, match='has no identities'):
        dataset.field('pid')


def test_too_few_clusters_end_the_run(tiny_sysu, tmp_path):
    cfg = small(tiny_sysu, tmp_path)
    pseudo_labels(cfg)['min_samples'] = 1000
    with pytest.raises(
        TrainingDivergedError,
        match='0 clusters of visible images where a batch needs 2.*epoch 1.*'
        'min_samples=1000, k1=.* of PseudoLabelHook.*all are one cluster',
    ):
        build_runner(cfg).train()
    assert (tmp_path / 'diverged.json').is_file()


def test_mistakes_are_named(tiny_sysu, tmp_path):
    cfg = small(tiny_sysu, tmp_path)
    cfg.train_dataloader.sampler['type'] = 'IdentitySampler'
    with pytest.raises(ConfigError, match='make it a PseudoLabelSampler'):
        build_runner(cfg).train()
    cfg = small(tiny_sysu, tmp_path)
    pseudo_labels(cfg)['head'] = 'heads.memry'
    with pytest.raises(ValueError, match=r"no ClusterMemoryHead.*'heads.mem"):
        build_runner(cfg).train()
