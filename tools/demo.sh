#!/usr/bin/env bash
# README's first command: installs, makes the embedded data set, trains with and without unlabelled images, compares.
# Usage: bash tools/demo.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup_venv.sh"
python tools/dataset_converters/mosaic.py data/mosaic
python tools/compare.py configs/baselines/sup_mosaic.py configs/c3semiseg/c3semiseg_mosaic.py "$@"
