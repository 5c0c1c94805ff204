#!/usr/bin/env bash
# Trains on several processes: bash tools/dist_train.sh CONFIG NUM_PROCESSES
# [arguments of tools/train.py]. One process per GPU, or on the CPU with gloo.
#
# On several machines start it on each of them with
#   NNODES=2 NODE_RANK=0|1 MASTER_ADDR=HOST_OF_NODE_0 [PORT=29500]
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG PROCESSES_PER_NODE [arguments of train.py]" >&2
    exit 2
fi
CONFIG=$1
PROCESSES=$2
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$PROCESSES" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
