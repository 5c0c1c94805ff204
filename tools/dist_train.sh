#!/usr/bin/env bash
# Trains on several processes: bash tools/dist_train.sh CONFIG NUM_PROCESSES
# [arguments of tools/train.py]. One process per GPU, or on the CPU with gloo.
#
# On several machines start it on each of them with
#   NNODES=2 NODE_RANK=0|1 MASTER_ADDR=HOST_OF_NODE_0 [PORT=29500]
source "$(dirname "$0")/launch.sh"
usage_unless $# 2 'CONFIG PROCESSES_PER_NODE [arguments of train.py]'
launch_dist "$2" train.py "$1" "${@:3}"
