"""Hostile and broken input for every entrance; see docs/reliability.md."""
