"""Settings: command line, files, and what is wrong with them.

A mistake of the user is a ``ConfigError`` of one sentence.
"""
