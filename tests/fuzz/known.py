"""Faults that are known: each is asserted to be one still, until it is not."""

# Attack -> why it is not mended yet, and the kinds of damage.
BY_ATTACK: dict[str, tuple[str, list[str]]] = {
    'RegDB list': (
        'exchanged lists and other encodings are taken or not explained',
        ['listed, UTF-16', 'verify-dataset, exchanged lists'],
    ),
    'SYSU-MM01 id list': (
        'persons of the test are not looked for among those to train on',
        ['listed, of the test', 'listed, underscore'],
    ),
    'command line': (
        '--cfg-options without a value, and what eval-features lacks',
        ['eval-features', 'probe', 'test', 'tsne'],
    ),
    'command line of a writer': (
        'make-synthetic meets a device',
        ['make-synthetic --root /dev/null --preset tiny'],
    ),
    'config file': ('YAML is read by a loader that runs code', ['code.yaml']),
    'damaged checkpoint': (
        'the sums inside the archive are not checked',
        [
            'build_backbone, flipped',
            'build_backbone, overwritten',
            'export_backbone, flipped',
            'export_backbone, overwritten',
            'export_backbone, zeroed',
            'load_checkpoint, flipped',
            'load_checkpoint, overwritten',
            'load_checkpoint, zeroed',
        ],
    ),
    'damaged features': (
        'eval-features shows tracebacks',
        [
            '.mat, cut',
            '.mat, flipped',
            '.mat, lengthened',
            '.mat, overwritten',
            '.mat, shortened',
            '.mat, zeroed',
            '.npz, cut',
            '.npz, flipped',
            '.npz, lengthened',
            '.npz, overwritten',
            '.npz, shortened',
            '.npz, zeroed',
        ],
    ),
    'feature arrays': (
        'eval-features shows tracebacks, and takes what is impossible',
        [
            'sysu, NaN features',
            'sysu, NaN pid',
            'sysu, all zero',
            'sysu, camera 0',
            'sysu, camera 7',
            'sysu, complex features',
            'sysu, features too large',
            'sysu, flat features',
            'sysu, fractional pid',
            'sysu, huge pid',
            'sysu, image 0',
            'sysu, image repeated',
            'sysu, infinite features',
            'sysu, last quarter lost',
            'sysu, longer features',
            'sysu, modality 2',
            'sysu, modality exchanged',
            'sysu, negative pid',
            'sysu, no column',
            'sysu, no labels',
            'sysu, no row',
            'sysu, one person lost',
            'sysu, one row',
            'sysu, one row lost',
            'sysu, row repeated',
            'sysu, scalar',
            'sysu, shorter pids',
            'sysu, text features',
            'sysu, text pids',
            'sysu, three dimensions',
            'sysu, zero features',
        ],
    ),
    'gallery': (
        'numbers of images and features are not checked',
        [
            "add, id 'a'",
            'add, id -1',
            'add, id nan',
            'add, huge',
            'add, id 7.9',
            'add, id 9223372036854775808',
            'add, id None',
            'add, id True',
            'add, zero',
        ],
    ),
    'hostile checkpoint': (
        'not all entrances use the inert reader',
        [
            'load_pruned, meta, zip',
            'test, meta, zip',
            'train --resume, meta, zip',
            'train load_from, meta, zip',
            'train load_from=http, meta, zip',
        ],
    ),
    'hostile features': (
        'eval-features shows tracebacks',
        ['object array', 'object ids', 'pickle', 'pickle as .mat'],
    ),
    'hostile type name': (
        'a file names any function as the class of its model',
        ['load_pruned, type'],
    ),
    'image': (
        'files are opened before they are looked at',
        [
            'loaded, device',
            'loaded, folder',
            'loaded, loop',
            'loaded, pipe',
            'loaded, socket',
            'loaded, thermal counts',
            'verify-dataset, giant',
            'verify-dataset, thermal counts',
        ],
    ),
    'misfit': (
        'the Runner loads what fits',
        [
            'train --resume, missing tensor',
            'train load_from, missing tensor',
            'train load_from=http, missing tensor',
        ],
    ),
    'pack': (
        'a header names any function as a step, and may lie',
        [
            'negative heights',
            'steps that run code',
            'text heights',
            'unknown step',
        ],
    ),
    'permutations': (
        'eval-features shows tracebacks, and takes what is impossible',
        [
            'eval-features, NaN',
            'eval-features, cut',
            'eval-features, flipped',
            'eval-features, fractions',
            'eval-features, lengthened',
            'eval-features, nine trials',
            'eval-features, out of range',
            'eval-features, repeated images',
            'eval-features, zeros',
        ],
    ),
    'setting': (
        'settings that nothing reads, and impossible numbers',
        [
            'data_root=/nowhere',
            'modle.x=1',
            'optim_wrapper.optimizer.lr=-1',
            'optim_wrapper.optimizer.momentum=1.5',
            'param_scheduler.0.begin=-5',
            'train_dataloader.num_workers=1000000000000',
        ],
    ),
    'shard': (
        'notes of a sample are not checked',
        ['broken notes', 'notes as list'],
    ),
    'shard index': (
        'numbers of an index are not checked',
        ['more than memory', 'shard twice', 'text'],
    ),
}
KNOWN = {
    f'{attack}: {what}': why
    for attack, (why, kinds) in BY_ATTACK.items()
    for what in kinds
}
