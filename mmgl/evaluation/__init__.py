"""Evaluation: ``functional`` on plain arrays, ``metrics`` for the Runner."""
