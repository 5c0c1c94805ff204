# Fine-tuning without labels, in the line of ADCA (Yang et al., ACM MM 2022)
# and PGM (Wu and Ye, CVPR 2023): the network and the views of CAJ, and a
# memory of clusters. The leaf config adds the backbone, the sampler and hooks.
_base_ = './caj.py'

model = dict(
    heads=dict(
        _delete_=True,
        memory=dict(
            type='ClusterMemoryHead',
            feature='bn',
            momentum=0.1,
            # alpha of PGM's code.
            cross_weight=0.25,
            loss=dict(type='ClusterContrastiveLoss', temperature=0.05))),
    flip_test=False)
pseudo_labels = dict(
    type='PseudoLabelHook', eps=0.6, min_samples=4, k1=30, k2=6)
# Between the modalities once each has its clusters: the second stage of PGM.
cross_modality = dict(type='LossRampHook', loss='heads.memory')
