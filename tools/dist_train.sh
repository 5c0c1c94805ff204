#!/usr/bin/env bash
# Trains on several processes: bash tools/dist_train.sh CONFIG NUM_PROCESSES
# [arguments of tools/train.py]. One process per GPU, or on the CPU with gloo.
#
# On several machines start it on each of them with
#   NNODES=2 NODE_RANK=0|1 MASTER_ADDR=HOST_OF_NODE_0 [PORT=29500]
#
# With MAX_RESTARTS=3 all processes start again, at most three times, when one
# of them dies, and go on from the newest checkpoint of the work dir (--resume
# auto, from the first start on). On several machines:
#   NNODES=2 (or 1:2) MAX_RESTARTS=3 RDZV_ENDPOINT=HOST_OF_ANY_NODE:29500
source "$(dirname "$0")/launch.sh"
usage_unless $# 2 'CONFIG PROCESSES_PER_NODE [arguments of train.py]'
resume=()
if [ "${MAX_RESTARTS:-0}" -gt 0 ] && [[ " $* " != *' --resume'* ]]; then
    resume=(--resume auto)
fi
launch_dist "$2" train.py "$1" "${@:3}" "${resume[@]}"
