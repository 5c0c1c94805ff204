#!/usr/bin/env bash
# Sets everything up the first time, then runs the whole job on embedded data.
#
#   bash tools/quickstart.sh            6 to 13 minutes on two cores
#   bash tools/quickstart.sh --smoke    a minute
#   bash tools/quickstart.sh --help     all options
#
# See tools/venv.sh for which environment is used.
set -eo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
exec "$PYTHON" "$MMGL_ROOT/tools/quickstart.py" "$@"
