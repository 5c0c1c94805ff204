"""RegDB (Nguyen et al., Sensors 2017): trials, split files."""

from .modality import INFRARED, VISIBLE

TRIALS = range(1, 11)
# Labels in both modalities, and images, of the test half of a trial.
OFFICIAL_SIZE = 2 * 206, 2 * 2060
IDX_FOLDER = 'idx'
# What the files of the data set call the modalities.
FILE_WORDS = {VISIBLE: 'visible', INFRARED: 'thermal'}


def split_file_name(half: str, modality: int, trial: int) -> str:
    """Name the file in ``idx`` of one half ('train', 'test') of a trial."""
    return f'{half}_{FILE_WORDS[modality]}_{trial}.txt'
