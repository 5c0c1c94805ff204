# Data of one's own (docs/own_data.md): a table of images, or folders without
# one. Batches suit a few hundred images. The image size comes with the
# pipelines: see own_finetune.py.
_base_ = './finetune.py'

data_root = 'data/own'
table = None
train_dataloader = dict(
    batch_size=32,
    # P = 4 identities with K = 4 visible and K = 4 infrared images each.
    sampler=dict(num_ids=4),
    dataset=dict(
        type='ReIDTable',
        data_root=data_root,
        table=table,
        split='train',
        paired=True))
test_dataloader = dict(
    dataset=dict(
        type='ReIDTable', data_root=data_root, table=table, split='test'))
test_evaluator = dict(
    type='ReIDMetric',
    protocol='cross',
    # Each query ignores its own person under its own camera.
    same_camera='ignore_person',
    # All images of the gallery; 1 draws one of each person and camera.
    shots=[0])
# Counted when the run begins.
num_classes = 'auto'
