"""What pytest's XML says about the tests that need a GPU."""

from pathlib import Path
from xml.etree import ElementTree

from .findings import empty_findings

SELECTION = (
    'tests/test_gpu',
    'tests/test_models/test_functional/test_gather.py'
    '::test_nothing_waits_for_the_device',
)
# Lets tests/test_gpu run on a processor; see its conftest.py.
DEVICE_VARIABLE = 'MMGL_TEST_DEVICE'
MESSAGE_LENGTH = 200


def pytest_command(xml: Path) -> list[str]:
    """Return the arguments of the interpreter."""
    return [
        '-m',
        'pytest',
        '-q',
        '-p',
        'no:cacheprovider',
        '--durations=5',
        f'--junitxml={xml}',
        *SELECTION,
    ]


def read_tests(xml: Path) -> dict[str, list]:
    """Turn the XML into a table.

    Args:
        xml: Written by pytest at its end.

    Returns:
        Findings: a line a test, and a note with the numbers.
    """
    findings = empty_findings()
    if not xml.is_file():
        findings['notes'].append('pytest did not come to its end.')
        return findings
    rows, ends = [], []
    for case in ElementTree.parse(xml).iter('testcase'):
        end, why = _end_of(case)
        ends.append(end)
        module = case.get('classname', '').split('.')[-1]
        seconds = f'{float(case.get("time", 0)):.1f}'
        rows.append([f'{module}: {case.get("name")}', end, seconds, why])
    findings['tables'].append(
        dict(columns=['test', 'end', 's', 'reason'], rows=rows)
    )
    findings['notes'].append(
        ', '.join(
            f'{ends.count(end)} {end}'
            for end in ('passed', 'failed', 'skipped')
        )
        + '.'
    )
    return findings


def _end_of(case: ElementTree.Element) -> tuple[str, str]:
    """How a test ended, and the first line of the reason."""
    for tag, end in (
        ('failure', 'failed'),
        ('error', 'failed'),
        ('skipped', 'skipped'),
    ):
        found = case.find(tag)
        if found is not None:
            lines = (found.get('message') or '').splitlines() or ['']
            return end, lines[0][:MESSAGE_LENGTH]
    return 'passed', ''
