#!/usr/bin/env bash
# Runs the tests; sets everything up by itself the first time.
#
#   bash tools/run_tests.sh                         all but the slow tests
#   bash tools/run_tests.sh -m slow                 the slow ones
#   bash tools/run_tests.sh tests/test_models -x    any arguments of pytest
#
# See tools/venv.sh for which environment is used.
set -eo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
cd "$MMGL_ROOT"
# Many tests start processes beside the test's own; threads that wait for a
# busy core make small networks several times slower.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# Given before the caller's arguments, of which a later -m wins.
exec "$PYTHON" -m pytest -m 'not slow' "$@"
