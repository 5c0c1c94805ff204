#!/usr/bin/env bash
# Tests on a slurm cluster: bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG
# CHECKPOINT [arguments of tools/test.py]. Variables as in slurm_train.sh.
source "$(dirname "$0")/launch.sh"
usage_unless $# 4 'PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of test.py]'
launch_slurm "$1" "$2" test.py "$3" "$4" "${@:5}"
