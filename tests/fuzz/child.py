"""Try inputs, one a line of stdin, and say on stdout how each one ended."""

import contextlib
import io
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

MEMORY, FILES = 3 * 2**30, 2**30  # more than after the imports; of one file
CANARY = 'canary'  # made by code in a file
SENTENCE = re.compile('error: |mmgl: no command', re.IGNORECASE)
REFUSALS = (2, 3)  # exit codes: bad input, diverged


def verdict_of(attempt: object, folder: Path) -> tuple[str, str]:
    """Run an attempt in its folder; its verdict and a line about it."""
    said = io.StringIO()
    os.chdir(folder)
    try:
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter('ignore')
            value = attempt.run()
    except SystemExit as stop:
        found = _of_exit(stop.code, said.getvalue())
    except BaseException as error:
        found = _of_error(error)
    else:
        right = attempt.fine(value)
        found = ('clean' if right else 'silent'), f'gave {value!r}'[:200]
    os.chdir('/')
    if (folder / CANARY).exists():
        return 'executed', found[1]
    if attempt.must_work and not found[1].startswith('gave'):
        return 'traceback', f'good input: {found[1]}'
    return found


def _of_exit(code: object, said: str) -> tuple[str, str]:
    lines = [one for one in said.splitlines() if SENTENCE.search(one)]
    one = len(lines) == 1 and 'Traceback' not in said
    words = ' | '.join(lines)[:300] or f'exit code {code} without a word'
    return ('clean' if one and code in REFUSALS else 'traceback'), words


def _of_error(error: BaseException) -> tuple[str, str]:
    """Errors that functions promise are as good as a tool's sentence."""
    import mmgl
    from fuzz.entrances import Refusal, ToolError

    promised = ValueError, FileNotFoundError, TypeError
    raised = traceback.extract_tb(error.__traceback__)[-1]
    # By a check of ours, not by what happened to go wrong somewhere.
    ours = Path(raised.filename).is_relative_to(mmgl.__path__[0])
    ours = ours and (raised.line or '').startswith('raise')
    if isinstance(error, Refusal) or ours and isinstance(error, promised):
        return 'clean', str(error)[:300]
    if isinstance(error, ToolError):
        error = error.__cause__
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f'{Path(where.filename).name}:{where.lineno}'
    return 'traceback', f'{type(error).__name__} at {place}: {error}'[:300]


def forget() -> None:
    """Drop what mmengine keeps for the whole process."""
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.registry import DefaultScope
    from mmengine.visualization import Visualizer

    for manager in (DefaultScope, MessageHub, MMLogger, Visualizer):
        manager._instance_dict.clear()


def limit() -> None:
    """Bound memory and the size of files from here on."""
    held = int(Path('/proc/self/statm').read_text().split()[0])
    held *= resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILES, FILES))


def main(base: Path) -> None:
    """Answer until there is no more input."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(**what: object) -> None:
        print(json.dumps(what), file=answers, flush=True)

    from fuzz.attacks import ATTACKS

    if not (base / 'ready').exists():
        from fuzz.base import build

        build(base)
        (base / 'ready').touch()
    forget()
    sizes = {a.name: (a.short, a.long, a.seconds) for a in ATTACKS.values()}
    say(attacks=sizes)
    limit()
    for line in sys.stdin:
        name, number = json.loads(line)
        folder = Path(tempfile.mkdtemp(dir=base))
        # What a file names is found as from the command line.
        sys.path.insert(0, str(folder))
        attempt = ATTACKS[name].prepare(base, folder, number)
        say(what=attempt.what)
        verdict, words = verdict_of(attempt, folder)
        say(verdict=verdict, words=words)
        sys.path.remove(str(folder))
        forget()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
