"""Runs that make tables and pictures: plan, stages, records."""
