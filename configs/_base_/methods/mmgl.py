# MMGL pre-training, Eq. 2-7. The leaf config adds the backbone.
model = dict(
    type='MMGLPretrainer',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    # N of Table VI; pipelines/augment.py shuffles as many stripes.
    permutation_head=dict(
        type='PermutationHead',
        num_stripes=6,
        # Eq. 2-4: l = 20 Sinkhorn rounds, 10 Gumbel reconstructions.
        loss=dict(
            type='PermutationReconstructionLoss',
            num_samples=10,
            num_iters=20,
            temperature=1.0)),
    part_head=dict(
        type='PartHead',
        num_stripes=6,
        out_channels=256,
        # As in PCB. 'modality_bn' would hide the modality gap from PCC.
        norm='bn',
        # L_cls of Eq. 7, the E of Table V.
        position=True,
        # Eq. 5-6, the C of Table V; tau: Table VII, lambda: Table VIII.
        contrast=dict(
            type='PartCycleContrastiveLoss',
            temperature=0.07,
            loss_weight=0.2)))
