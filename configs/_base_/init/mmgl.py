# A checkpoint of MMGL pre-training, named by --init-checkpoint. stems='exact'
# demands the same streams; 'duplicate' copies a one-stream stem into both,
# 'visible' or 'infrared' takes one stem of a two-stream checkpoint.
# Non-local blocks and plugins that the checkpoint has not keep their initial
# values; both start as the identity or close to it.
model = dict(
    init_from=dict(
        _delete_=True,
        kind='mmgl',
        checkpoint=None,
        stems='exact',
        allow_missing=('non_local.', 'plugins.')))
