# MMGL pre-training, Eq. 2-7. The leaf config adds the backbone, and N of its
# pipelines to both heads.
model = dict(
    type='ReIDModel',
    data_preprocessor=dict(type='ReIDDataPreprocessor'),
    neck=dict(type='MapNeck'),
    heads=dict(
        permutation=dict(
            type='PermutationHead',
            # Eq. 2-4: l = 20 Sinkhorn rounds, 10 Gumbel reconstructions.
            loss=dict(
                type='PermutationReconstructionLoss',
                num_samples=10,
                num_iters=20,
                temperature=1.0)),
        # None leaves P of Table V.
        part=dict(
            type='PartHead',
            out_channels=256,
            # As in PCB. 'modality_bn' would hide the modality gap from PCC.
            norm='bn',
            # L_cls of Eq. 7, the E of Table V.
            position=True,
            # Eq. 5-6, the C of Table V; tau: Table VII, lambda: Table VIII.
            contrast=dict(
                type='PartCycleContrastiveLoss',
                temperature=0.07,
                loss_weight=0.2))),
    test_feature='pool')
