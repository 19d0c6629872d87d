#!/usr/bin/env bash
# Does mmseg_contrast work on this card, and how fast? At most 8 minutes; needs neither network nor data.
# Usage: bash tools/check_gpu.sh [--dry] [--only PATTERN ...] [--tune] [--minutes N] [--out FILE]
set -euo pipefail
case "${1:-}" in
-h | --help)
    echo "usage: [PYTHON=python] bash $0 [arguments]
Checks the card and measures on it; writes results/gpu/CARD.json; docs/gpu.md. --dry runs on the CPU.
For the arguments: python tools/analysis_tools/check_gpu.py --help"
    exit
    ;;
esac
TOOLS=$(dirname "$0")
PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" exec "${PYTHON:-python}" "$TOOLS/analysis_tools/check_gpu.py" "$@"
