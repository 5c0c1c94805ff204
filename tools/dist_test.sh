#!/usr/bin/env bash
# Tests on several processes: bash tools/dist_test.sh CONFIG CHECKPOINT
# NUM_PROCESSES [arguments of tools/test.py]. See tools/dist_train.sh for
# several machines.
source "$(dirname "$0")/launch.sh"
usage_unless $# 3 'CONFIG CHECKPOINT PROCESSES_PER_NODE [arguments of test.py]'
launch_dist "$3" test.py "$1" "$2" "${@:4}"
