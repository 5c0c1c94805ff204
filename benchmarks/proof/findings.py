"""What a part has found, on disk from the first figure on."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmgl.utils.benchmark import Figure
from mmgl.utils.files import replace_whole


def empty_findings() -> dict[str, list]:
    """Return findings without anything in them."""
    return dict(figures=[], tables=[], notes=[])


def figure_entry(figure: Figure) -> dict[str, object]:
    """Describe a figure as the JSON files of the benchmarks do."""
    return asdict(figure) | dict(verdict=figure.verdict)


def read_findings(path: Path) -> dict[str, list]:
    """Read what a part or a benchmark has written.

    Args:
        path: The file; it may be missing.

    Returns:
        Figures, tables and notes; empty lists where there are none.
    """
    content = json.loads(path.read_text()) if path.is_file() else {}
    return {key: content.get(key, []) for key in empty_findings()}


class Findings:
    """Findings of a part, written anew after each one.

    Args:
        path: JSON file.
        columns: Of the part's table, if it has one.
    """

    def __init__(self, path: str | Path, columns: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self.content = empty_findings()
        if columns:
            self.content['tables'].append(dict(columns=list(columns), rows=[]))
        self._write()

    def add(self, *figures: Figure) -> None:
        """Add figures."""
        self.content['figures'] += map(figure_entry, figures)
        self._write()

    def add_row(self, *cells: object) -> None:
        """Add a row to the table."""
        self.content['tables'][0]['rows'].append([*map(str, cells)])
        self._write()

    def note(self, text: str) -> None:
        """Add a sentence."""
        print(text, flush=True)
        self.content['notes'].append(text)
        self._write()

    def _write(self) -> None:
        with replace_whole(self.path) as partial:
            partial.write_text(json.dumps(self.content, indent=1) + '\n')
