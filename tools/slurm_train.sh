#!/usr/bin/env bash
# Train through Slurm; GPUS is the number of processes over all nodes.
# Example: GPUS=16 GPUS_PER_NODE=8 tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of train.py]
set -euo pipefail
usage() {
    echo "usage: [GPUS=4] [GPUS_PER_NODE=4] [CPUS_PER_TASK=5] [SRUN_ARGS=] $0 PARTITION JOB_NAME CONFIG [arguments of train.py]"
}
case "${1:-}" in
-h | --help)
    usage
    exit
    ;;
esac
if [ $# -lt 3 ]; then
    usage >&2
    exit 2
fi
TOOLS=$(dirname "$0")
GPUS=${GPUS:-4}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 4 ? GPUS : 4))}
# SRUN_ARGS is a list of words, hence without quotes.
# shellcheck disable=SC2086
PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" exec srun -p "$1" --job-name="$2" \
    --gres=gpu:"$GPUS_PER_NODE" --ntasks="$GPUS" --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$TOOLS/train.py" "$3" --launcher slurm "${@:4}"
