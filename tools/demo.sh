#!/usr/bin/env bash
# README's first command: installs, makes the embedded data set, trains with and without unlabelled images, compares.
# Usage: bash tools/demo.sh
case "$*" in
'') ;;
-h | --help)
    echo "usage: [PYTHON=python3.11] [VENV=.venv] bash $0
Installs, makes a small data set, trains on 8 labels with and without 392 unlabelled images, and
compares; 4 to 12 minutes on 2 CPU cores. For other configs and options: python tools/compare.py --help"
    exit
    ;;
*)
    echo "$0 takes no arguments, and got: $*; for other configs and options: python tools/compare.py" >&2
    exit 2
    ;;
esac
. "$(dirname "${BASH_SOURCE[0]}")/setup_venv.sh"
python tools/dataset_converters/mosaic.py data/mosaic
python tools/compare.py configs/baselines/sup_mosaic.py configs/c3semiseg/c3semiseg_mosaic.py
