#!/usr/bin/env bash
# Checks style and types and runs the tests, on all cores; sets everything up
# by itself the first time.
#
#   bash tools/run_tests.sh                         all but the slow tests
#   bash tools/run_tests.sh --fast                  in two minutes: no long ones
#   bash tools/run_tests.sh tests/test_models -x    pytest alone, any arguments
#
# See tools/venv.sh for which environment is used.
set -eo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
cd "$MMGL_ROOT"
# The tests run side by side and start processes of their own; threads that
# wait for a busy core make small networks several times slower.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

if [ $# -gt 0 ] && [ "$1" != --fast ]; then
    # Given before the caller's arguments, of which a later -m wins.
    exec "$PYTHON" -m pytest -m 'not slow' "$@"
fi
"$PYTHON" -m ruff check
"$PYTHON" -m ruff format --check
"$PYTHON" -m mypy
cores=$("$PYTHON" -c 'from mmgl.utils.benchmark import usable_cores
print(usable_cores())')
exec "$PYTHON" -m pytest -q -n "$cores" --dist worksteal \
    -m "not slow${1:+ and not long}"
