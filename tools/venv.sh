#!/usr/bin/env bash
# Sets up the environment once; sourced by tools/run_tests.sh and
# tools/quickstart.sh, which then call "$PYTHON".
#
#   PYTHON=/path/to/python   interpreter to work with. One that belongs to a
#                            virtual environment is used as it is; any other
#                            one makes .venv.
#   active environment       (VIRTUAL_ENV or CONDA_PREFIX) is used as it is.
#   otherwise                .venv in the root of the repository.
#
# .venv gets the exact versions of requirements/tested.txt, whose hashes are
# compared (MMGL_NO_HASHES=1: they are not). An environment of
# your own keeps what fits requirements/runtime.txt, for example its torch.
# Nothing is installed again until a requirements file or setup.py changes.

MMGL_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

mmgl_fail() {
    echo "mmgl set-up: $*" >&2
    exit 1
}

mmgl_is_supported() {  # INTERPRETER
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
        2>/dev/null
}

# Prints the interpreter that .venv is made with.
mmgl_base_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        mmgl_is_supported "$PYTHON" || mmgl_fail \
            "PYTHON=$PYTHON is no Python 3.10, 3.11, 3.12 or 3.13."
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if mmgl_is_supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    mmgl_fail "no Python 3.10, 3.11, 3.12 or 3.13 found; install one (Debian:" \
        "apt-get install python3 python3-venv) or name it with PYTHON=PATH."
}

# Makes .venv, or keeps it when it works.
mmgl_make_venv() {
    local base=$1 venv="$MMGL_ROOT/.venv" version='import sys; print(sys.version_info[:2])'
    if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        if [ -n "${PYTHON:-}" ] &&
            [ "$("$venv/bin/python" -c "$version")" != "$("$base" -c "$version")" ]; then
            mmgl_fail "$venv was made with another Python than $PYTHON;" \
                "remove the folder to make it anew."
        fi
        return
    fi
    "$base" -c 'import ensurepip, venv' 2>/dev/null || mmgl_fail \
        "$base cannot make virtual environments; install the missing part" \
        "(Debian, as root: apt-get install python3-venv) and start again."
    echo "mmgl set-up: making $venv"
    "$base" -m venv --clear "$venv" || mmgl_fail "could not make $venv."
}

# Prints a fingerprint of all that decides what gets installed.
mmgl_fingerprint() {
    (cd "$MMGL_ROOT" && { pwd; cat requirements/*.txt setup.py pyproject.toml; }) |
        sha256sum | cut -d' ' -f1
}

# The wheel of opencv-python needs libraries of a desktop; the headless one of
# the same version does not.
mmgl_fix_opencv() {
    local version
    "$PYTHON" -c 'import cv2' >/dev/null 2>&1 && return
    version=$("$PYTHON" -c \
        'from importlib.metadata import version; print(version("opencv-python"))') ||
        mmgl_fail "the installation of opencv-python failed."
    echo "mmgl set-up: no desktop libraries here, taking opencv-python-headless"
    "$PYTHON" -m pip uninstall -q -y opencv-python
    "$PYTHON" -m pip install -q --no-deps --force-reinstall \
        "opencv-python-headless==$version" ||
        mmgl_fail "could not install opencv-python-headless."
}

# Prints the file of exact versions. pip compares the hashes in it, unless one
# is missing or MMGL_NO_HASHES is set, for an index with files of its own.
mmgl_pins() {
    local pins=requirements/tested.txt bare
    if [ -z "${MMGL_NO_HASHES:-}" ] && ! grep -qE '^[A-Za-z].*[^\]$' $pins; then
        echo $pins
        return
    fi
    echo "mmgl set-up: hashes of packages are not compared" >&2
    bare="$(mktemp -d)/tested.txt"
    sed -e '/^ *--hash/d' -e 's/ *\\$//' $pins >"$bare"
    echo "$bare"
}

mmgl_install() {  # KIND: tested | own
    local pip=("$PYTHON" -m pip install --disable-pip-version-check)
    cd "$MMGL_ROOT" || exit 1
    echo "mmgl set-up: installing packages, this takes some minutes the first time"
    if [ "$1" = tested ]; then
        "${pip[@]}" -q --no-deps -r "$(mmgl_pins)"
    else
        "${pip[@]}" -q -r requirements/runtime.txt -r requirements/tests.txt
    fi || mmgl_fail "the installation failed, see the messages above; start" \
        "again to go on."
    mmgl_fix_opencv
    "${pip[@]}" -q --no-deps --no-build-isolation -e . ||
        mmgl_fail "could not install the package itself."
}

mmgl_setup() {
    local kind=own prefix stamp lock
    if [ -n "${PYTHON:-}" ] && "$PYTHON" -c \
        'import sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null; then
        :
    elif [ -z "${PYTHON:-}" ] && [ -n "${VIRTUAL_ENV:-${CONDA_PREFIX:-}}" ]; then
        PYTHON="${VIRTUAL_ENV:-$CONDA_PREFIX}/bin/python"
    else
        kind=tested
    fi
    # Two set-ups at the same time would spoil each other.
    lock="$MMGL_ROOT/.venv.lock"
    if command -v flock >/dev/null; then
        exec 9>"$lock"
        flock 9
    fi
    if [ "$kind" = tested ]; then
        local base
        base=$(mmgl_base_python) || exit 1
        mmgl_make_venv "$base"
        PYTHON="$MMGL_ROOT/.venv/bin/python"
    fi
    mmgl_is_supported "$PYTHON" || mmgl_fail "$PYTHON is no working Python" \
        "3.10, 3.11, 3.12 or 3.13."
    prefix=$("$PYTHON" -c 'import sys; print(sys.prefix)')
    [ "$prefix" != "$MMGL_ROOT/.venv" ] || kind=tested
    stamp="$prefix/.mmgl-installed"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$(mmgl_fingerprint)" ]; then
        (mmgl_install "$kind") || exit 1
        mmgl_fingerprint >"$stamp"
    fi
    if command -v flock >/dev/null; then
        exec 9>&-
    fi
    export PYTHON
}

mmgl_setup
