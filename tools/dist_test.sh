#!/usr/bin/env bash
# Test on several GPUs of one or more nodes; without a GPU, in as many processes on the CPU.
# One node:    tools/dist_test.sh CONFIG CHECKPOINT 4 [arguments of test.py]
# Two nodes:   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 tools/dist_test.sh CONFIG CHECKPOINT 8
set -euo pipefail
usage() {
    echo "usage: $0 CONFIG CHECKPOINT PROCESSES_PER_NODE [arguments of test.py]"
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
case $3 in
'' | *[!0-9]* | 0)
    echo "$3 is no number of processes" >&2
    usage >&2
    exit 2
    ;;
esac
TOOLS=$(dirname "$0")
PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" exec torchrun \
    --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" --nproc-per-node="$3" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}" \
    "$TOOLS/test.py" "$1" "$2" --launcher pytorch "${@:4}"
