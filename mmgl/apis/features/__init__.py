"""Features of any checkpoint, for the probe and for pictures."""

from .extraction import ExtractedFeatures, extract_features
from .inputs import add_input_options, load_inputs

__all__ = [
    'ExtractedFeatures',
    'add_input_options',
    'extract_features',
    'load_inputs',
]
