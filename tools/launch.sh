#!/usr/bin/env bash
# Sourced by dist_*.sh and slurm_*.sh: how a tool is started on many processes.
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# usage_unless COUNT_GIVEN COUNT_NEEDED TEXT
usage_unless() {
    if [ "$1" -lt "$2" ]; then
        echo "usage: $0 $3" >&2
        exit 2
    fi
}

# launch_dist PROCESSES_PER_NODE TOOL [arguments]; on several machines with
# NNODES, NODE_RANK, MASTER_ADDR and PORT.
#
# With MAX_RESTARTS above 0, RDZV_ENDPOINT or a range of machines (NNODES=1:4)
# they meet at RDZV_ENDPOINT (MASTER_ADDR:PORT) as RDZV_ID, need no NODE_RANK,
# and start all processes again, so many times, when one of them dies or a
# machine comes or goes.
launch_dist() {
    local nodes=${NNODES:-1} restarts=${MAX_RESTARTS:-0}
    local host=${MASTER_ADDR:-127.0.0.1} port=${PORT:-29500}
    local meeting=(
        --node_rank="${NODE_RANK:-0}"
        --master_addr="$host"
        --master_port="$port"
    )
    if [ "$restarts" -gt 0 ] || [ -n "${RDZV_ENDPOINT:-}" ] ||
        [[ $nodes == *:* ]]; then
        # Otherwise processes that start again find the addresses of those
        # before them: https://github.com/pytorch/pytorch/issues/135712.
        export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
        meeting=(
            --rdzv_backend=c10d
            --rdzv_endpoint="${RDZV_ENDPOINT:-$host:$port}"
            --rdzv_id="${RDZV_ID:-mmgl}"
        )
    fi
    exec "${PYTHON:-python}" -m torch.distributed.run \
        --nnodes="$nodes" \
        --nproc_per_node="$1" \
        --max_restarts="$restarts" \
        "${meeting[@]}" \
        "$TOOLS/$2" "${@:3}" --launcher pytorch
}

# launch_slurm PARTITION JOB_NAME TOOL [arguments]; with GPUS, GPUS_PER_NODE,
# CPUS_PER_TASK, SRUN_ARGS and PORT.
launch_slurm() {
    local gpus=${GPUS:-1}
    local gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    export MASTER_PORT=${PORT:-29500}
    # SRUN_ARGS holds several words.
    # shellcheck disable=SC2086
    exec srun -p "$1" \
        --job-name="$2" \
        --gres="gpu:$gpus_per_node" \
        --ntasks="$gpus" \
        --ntasks-per-node="$gpus_per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "${PYTHON:-python}" -u "$TOOLS/$3" "${@:4}" --launcher slurm
}
