"""The two modalities and their numbers, the same everywhere."""

VISIBLE = 0
INFRARED = 1
MODALITY_NAMES = ('visible', 'infrared')
