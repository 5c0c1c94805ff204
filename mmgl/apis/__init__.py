"""What a user does: train, test, probe, convert, evaluate features.

``run_*`` are the commands. They take arguments, by default those of the
program, and end with one sentence on standard error: exit code 2 for mistakes
(``ConfigError``, or a file that is missing or does not fit), 3 for a training
that diverged, 130 for an interruption.
"""
