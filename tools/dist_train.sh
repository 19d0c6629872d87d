#!/usr/bin/env bash
# Train on several GPUs of one or more nodes; without a GPU, in as many processes on the CPU.
# One node:    tools/dist_train.sh CONFIG 4 [arguments of train.py]
# Two nodes:   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 tools/dist_train.sh CONFIG 8   (NODE_RANK=1 on the other)
set -euo pipefail
usage() {
    echo "usage: $0 CONFIG PROCESSES_PER_NODE [arguments of train.py]"
}
case "${1:-}" in
-h | --help)
    usage
    exit
    ;;
esac
if [ $# -lt 2 ]; then
    usage >&2
    exit 2
fi
case $2 in
'' | *[!0-9]* | 0)
    echo "$2 is no number of processes" >&2
    usage >&2
    exit 2
    ;;
esac
TOOLS=$(dirname "$0")
PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" exec torchrun \
    --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" --nproc-per-node="$2" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}" \
    "$TOOLS/train.py" "$1" --launcher pytorch "${@:3}"
