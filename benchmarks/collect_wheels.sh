#!/usr/bin/env bash
# Fills a folder with the wheels that a machine with Python 3.12, torch and
# torchvision but without network lacks; gpu_proof.sh installs from it.
#
#   bash benchmarks/collect_wheels.sh [--all] [FOLDER]    (default: wheels)
#
# Versions are those of requirements/tested.txt, for Linux on x86-64. OpenCV
# and SciPy, 100 MB that most such machines have, come with --all only.
# PYTHON=/path/to/python names the interpreter whose pip downloads.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PYTHON=${PYTHON:-python3}
LIMIT_MB=60

NAMES=(
    # mmengine, mmcv, mmpretrain, and what they import
    mmengine mmcv-lite mmpretrain addict termcolor yapf platformdirs rich
    markdown-it-py mdurl Pygments einops importlib_metadata zipp mat4py
    modelindex model-index click Markdown ordered-set PyYAML packaging
    # pictures and tables
    matplotlib contourpy cycler fonttools kiwisolver pyparsing
    python-dateutil tzdata lazy-importer terminaltables
    # probes; the benchmarks import threadpoolctl
    scikit-learn joblib cloudpickle threadpoolctl narwhals
    # tests
    pytest iniconfig pluggy
    # distutils and pkg_resources
    setuptools
)
LARGE=(opencv-python-headless scipy)
PLATFORMS=(manylinux_2_28_x86_64 manylinux_2_27_x86_64 manylinux_2_17_x86_64
    manylinux2014_x86_64)

fail() {
    echo "collect_wheels: $*" >&2
    exit 1
}

# Prints NAME==VERSION for the newest Python of requirements/tested.txt.
pinned() {  # NAME
    local version
    version=$(grep -iE "^${1/-headless/}==" "$ROOT/requirements/tested.txt" |
        grep -v "version < " | head -1 | sed 's/^[^=]*==//; s/[; \\].*//')
    [ -n "$version" ] || fail "requirements/tested.txt has no version of $1."
    echo "$1==${version// /}"
}

if [ "${1:-}" = --all ]; then
    NAMES+=("${LARGE[@]}")
    LIMIT_MB=200
    shift
fi
case "${1:-}" in -*) fail "usage: $0 [--all] [FOLDER]" ;; esac
folder=${1:-$ROOT/wheels}
mkdir -p "$folder"
if compgen -G "$folder/*.whl" >/dev/null; then
    fail "$folder has wheels already; remove them, since two versions of a" \
        "package stop the installation."
fi

requirements=()
for name in "${NAMES[@]}"; do
    requirements+=("$(pinned "$name")")
done
"$PYTHON" -m pip download -q --disable-pip-version-check --no-deps \
    --only-binary=:all: --python-version 3.12 --implementation cp \
    "${PLATFORMS[@]/#/--platform=}" -d "$folder" "${requirements[@]}"

bytes=$(cat "$folder"/*.whl | wc -c)
echo "$(find "$folder" -name '*.whl' | wc -l) wheels," \
    "$((bytes / 1000000)) MB in $folder"
[ "$((bytes / 1000000))" -lt "$LIMIT_MB" ] ||
    fail "more than $LIMIT_MB MB; leave out what the machine has."
