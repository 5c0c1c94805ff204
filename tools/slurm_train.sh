#!/usr/bin/env bash
# Trains on a slurm cluster: bash tools/slurm_train.sh PARTITION JOB_NAME
# CONFIG WORK_DIR [arguments of tools/train.py].
#
#   GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS="--time=1-0" PORT=29500
source "$(dirname "$0")/launch.sh"
usage_unless $# 4 'PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]'
GPUS=${GPUS:-8}
launch_slurm "$1" "$2" train.py "$3" --work-dir "$4" "${@:5}"
