# Progressive stage-wise learning (Li et al., CVPR 2021), our re-implementation
# of the idea on jigsaw puzzles; see docs/rivals.md. The leaf config adds the
# backbone and puts `tiles` behind its augmentation.
_base_ = './jigsaw.py'

# Three stages in 100 epochs; the last one ends with the training.
stages = dict(
    type='EpochStages',
    epochs_per_stage=34,
    stages=[
        [dict(type='JigsawTiles', grid=(2, 2), num_permutations=24)],
        [dict(type='JigsawTiles', grid=(3, 2), num_permutations=100)],
        [dict(type='JigsawTiles', grid=(3, 3), num_permutations=100)],
    ])
tiles = [_base_.remove_colour, stages]
head = dict(type='JigsawHead', hidden_channels=512)
model = dict(
    _delete_=True,
    type='StagewiseModel',
    data_preprocessor=dict(type='TilePreprocessor', standardise=True),
    # 1: all stages so far learn alike; 0 stops the gradient between stages.
    prev_gradient=1.0,
    freeze_prev=False,
    stages=[
        dict(
            layers=('layer1', 'layer2'),
            head=dict(head, num_tiles=4, num_permutations=24)),
        dict(
            layers=('layer3', ),
            head=dict(head, num_tiles=6, num_permutations=100)),
        dict(
            layers=('layer4', ),
            head=dict(head, num_tiles=9, num_permutations=100)),
    ])
# Distributed training: stages to come get no gradient.
find_unused_parameters = True
