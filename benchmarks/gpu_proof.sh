#!/usr/bin/env bash
# Measures everything that needs a GPU and writes a page about it.
#
#   bash benchmarks/gpu_proof.sh [--out FOLDER] [--budget SECONDS]
#   bash benchmarks/gpu_proof.sh --only compiled --budget 600
#   bash benchmarks/gpu_proof.sh --rehearse    small, on a processor
#
# Takes at most 480 s in all (--budget) and writes report.md, report.json and
# log.txt to FOLDER (work_dirs/gpu_proof) part by part. Packages that are
# missing are installed from the folder WHEELS (wheels/), which
# benchmarks/collect_wheels.sh fills beforehand; no network is used.
# PYTHON=/path/to/python names the interpreter, which has torch.
set -u
case " $* " in *' --help '*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit ;; esac

started=$(date +%s)
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
WHEELS=${WHEELS:-$ROOT/wheels}
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    for venv in "${VIRTUAL_ENV:-}" "$ROOT/.venv"; do
        if [ -n "$venv" ] && [ -x "$venv/bin/python" ]; then
            PYTHON="$venv/bin/python"
            break
        fi
    done
fi

fail() {
    echo "gpu_proof: $*" >&2
    exit 2
}

scratch=$(mktemp -d) || fail 'no folder for scratch files; set TMPDIR.'
trap 'rm -rf "$scratch"' EXIT
site="$scratch/site"
export PYTHONPATH="$ROOT:$ROOT/benchmarks:$site"
pip=("$PYTHON" -m pip install -q --disable-pip-version-check --no-index
    --find-links "$WHEELS" --no-deps --no-compile)

# Prints which of the wheels' packages this interpreter lacks.
missing=$("$PYTHON" "$ROOT/benchmarks/proof/missing.py" "$WHEELS") ||
    fail "$PYTHON does not work; name another by PYTHON=PATH."
if [ -n "$missing" ]; then
    echo "gpu_proof: installing" $missing
    # shellcheck disable=SC2086
    "${pip[@]}" --target "$site" $missing || fail 'the installation failed.'
fi
# setuptools supplies distutils only where the interpreter looks for packages.
"$PYTHON" -c 'import distutils' 2>/dev/null ||
    "${pip[@]}" --force-reinstall setuptools ||
    fail "install setuptools<82 for $PYTHON."
out="$ROOT/work_dirs/gpu_proof" rehearse=() others=()
while [ $# -gt 0 ]; do
    case "$1" in
    --out) out=${2:?gpu_proof: --out needs a folder} && shift ;;
    --rehearse) rehearse=(--rehearse) ;;
    *) others+=("$1") ;;
    esac
    shift
done
shown=$(echo bash benchmarks/gpu_proof.sh "${rehearse[@]}" "${others[@]}")
"$PYTHON" -c 'import sys, torch, torchvision, mmgl, mmpretrain, pytest, scipy
sys.exit(3 * (len(sys.argv) < 2 and not torch.cuda.is_available()))' \
    "${rehearse[@]}"
case $? in
0) ;;
3) fail 'torch finds no GPU; --rehearse runs small on a processor.' ;;
*) fail "a package is missing; collect_wheels.sh fills $WHEELS with them." ;;
esac
mkdir -p "$out" && out="$(cd "$out" && pwd)" || fail "cannot write to $out."
cd "$ROOT" || exit 2
"$PYTHON" -m proof.driver --out "$out" --scratch "$scratch" \
    --started "$started" --shown "$shown" "${rehearse[@]}" "${others[@]}"
