#!/usr/bin/env bash
# Makes the virtual environment of README's two commands, once. Usage: . tools/setup_venv.sh
# PYTHON and VENV choose the interpreter and the folder.
# Sourced, its arguments are those of the script that sources it.
if [ "${BASH_SOURCE[0]}" = "$0" ] && [ $# -gt 0 ]; then
    echo "usage: [PYTHON=python3.11] [VENV=.venv] . $0"
    case "$*" in -h | --help) exit 0 ;; *) exit 2 ;; esac
fi
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=${VENV:-.venv}
if [ ! -f "$VENV/complete" ]; then
    echo "installing into $VENV: torch, the OpenMMLab stack, this package"
    "${PYTHON:-python3.11}" -m venv "$VENV"
    # torch first: which build it is, is the machine's affair, and the extras must not pull another one.
    "$VENV/bin/python" -m pip install -q torch==2.13.0
    "$VENV/bin/python" -m pip install -q -c requirements/tested.txt -e '.[onedl,transformers,demo,tests]'
    touch "$VENV/complete"
fi
export PATH="$(cd "$VENV" && pwd)/bin:$PATH"  # VENV may be an absolute path
