"""What every test needs: no display, and no state of an earlier test."""

import gc
import os

# Before anything imports matplotlib or cv2.
os.environ['MPLBACKEND'] = 'Agg'
os.environ['QT_QPA_PLATFORM'] = 'offscreen'

from pathlib import Path

import pytest
from deployed import (
    bundle,
    checkpoint,
    embedder,
    exported,
    photographs,
    quickstart_left,
)
from own_data import tiny_table
from shared import made_once

# Fixtures, for tests anywhere.
__all__ = [
    'bundle',
    'checkpoint',
    'embedder',
    'exported',
    'photographs',
    'quickstart_left',
    'tiny_table',
]
ROOT = Path(__file__).resolve().parents[1]
# Folders and files of tests that train, start processes or write data sets;
# those that take longest come first. Together nine tenths of the time.
LONG = (
    'test_end_to_end/test_smoke',
    'test_end_to_end/',
    'test_configs',
    'test_distributed',
    'test_rivals_end_to_end',
    'test_memory_format',
    'test_ssl_leaves',
    'test_tools/',
    'test_classical_rivals',
    'test_compose_page',
    'test_schedules',
    'test_apis/test_probe.py',
    'test_apis/test_exporting.py',
    'test_apis/test_inference/',
    'test_serving/',
    'test_own_data_page.py',
    'test_examples.py',
    'test_document_pictures.py',
    'test_site.py',
    'test_use_page.py',
    'test_benchmarks/',
    'test_checkpoints/test_resume',
    'test_datasets/test_identity',
    'test_datasets/test_packed',
    'test_datasets/test_regdb',
    'test_datasets/test_reid_dataset',
    'test_datasets/test_streamed',
    'test_datasets/test_synthetic/',
    'test_datasets/test_sysu_mm01',
    'test_datasets/test_verify',
    'test_evaluation/test_shared',
    'test_engine/test_compile_backbone',
    'test_experiments/',
    'test_fuzz',
    'test_gallery/',
    'test_models/test_host_waits',
    'test_utils/test_compat',
)


def pytest_collection_modifyitems(items):
    """Mark what --fast leaves out, and begin with it.

    A long test that came last would leave the other cores idle.
    """
    here = Path(__file__).parent

    def rank(item):
        name = item.path.relative_to(here).as_posix()
        return next(
            (n for n, one in enumerate(LONG) if name.startswith(one)),
            len(LONG),
        )

    for item in items:
        if rank(item) < len(LONG):
            item.add_marker('long')
    items.sort(key=rank)


def pytest_collection_finish():
    """Let collections pass over what is imported.

    mmengine asks for one with each data set it builds, 0.2 s each.
    """
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_mmengine_globals():
    """Forget default scope, loggers and message hubs of other tests.

    mmengine keeps them for the whole process; a Runner of one test would
    decide where the next one looks components up.
    """
    yield
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.registry import DefaultScope
    from mmengine.visualization import Visualizer

    for manager in (DefaultScope, MessageHub, MMLogger, Visualizer):
        manager._instance_dict.clear()


@pytest.fixture(scope='session')
def protocol_root():
    """Folder of the official split files, which come without images."""
    # Where nothing is said, beside the repository.
    beside = ROOT.parent / 'shared/protocol'
    root = Path(os.environ.get('MMGL_PROTOCOL_ROOT') or beside)
    if not root.is_dir():
        pytest.skip('no official split files; set MMGL_PROTOCOL_ROOT')
    return root


@pytest.fixture(scope='session')
def tiny_sysu(tmp_path_factory):
    """Embedded data set in the layout of SYSU-MM01; takes 3 s once."""
    from mmgl.datasets.synthetic import write_sysu

    return str(
        made_once(
            tmp_path_factory, 'sysu', lambda root: write_sysu(root, 'tiny')
        )
    )


@pytest.fixture(scope='session')
def tiny_regdb(tmp_path_factory):
    """Embedded data set in the layout of RegDB; takes 2 s once."""
    from mmgl.datasets.synthetic import write_regdb

    return str(
        made_once(
            tmp_path_factory, 'regdb', lambda root: write_regdb(root, 'tiny')
        )
    )


@pytest.fixture(scope='session')
def tiny_llcm(tmp_path_factory):
    """Embedded data set in the layout of LLCM; takes 2 s once."""
    from mmgl.datasets.synthetic import write_llcm

    root = str(tmp_path_factory.mktemp('tiny') / 'llcm')
    write_llcm(root, 'tiny')
    return root


@pytest.fixture(scope='session')
def tiny_shards(tiny_sysu, tmp_path_factory):
    """Tar shards of the embedded data set; None without webdataset."""
    from importlib.util import find_spec

    if not find_spec('webdataset'):
        return None
    from mmgl.datasets import SYSUMM01
    from mmgl.datasets.shards import write_shards

    def make(out):
        images = SYSUMM01(tiny_sysu, 'train')
        write_shards(images, str(out), images_per_shard=10)

    return str(made_once(tmp_path_factory, 'shards', make))


@pytest.fixture
def toy_config(tmp_path, monkeypatch):
    """Write a toy config; extra lines of Python are appended to it."""
    monkeypatch.chdir(tmp_path)
    base = ROOT / 'configs/_base_/default_runtime.py'

    def write(extra='', name='toy_config.py'):
        import toy

        path = tmp_path / name
        path.write_text(toy.CONFIG.format(base=base) + extra)
        return str(path)

    return write
