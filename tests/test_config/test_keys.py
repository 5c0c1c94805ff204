import inspect

from mmengine.runner import Runner

from mmgl.config.keys import TOP_KEYS


def test_top_keys_are_those_of_the_runner_and_of_what_it_reads():
    arguments = set(inspect.signature(Runner.__init__).parameters)
    assert arguments - {'self', 'cfg'} == TOP_KEYS - {
        'model_wrapper_cfg',
        'find_unused_parameters',
        'sync_bn',
        'compile',
        'activation_checkpointing',
        'efficient_conv_bn_eval',
        'runner_type',
    }
