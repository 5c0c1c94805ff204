"""Features of any checkpoint, for the probe and for pictures."""

from .extraction import ExtractedFeatures, extract_features
from .inputs import load_inputs

__all__ = ['ExtractedFeatures', 'extract_features', 'load_inputs']
