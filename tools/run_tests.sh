#!/usr/bin/env bash
# README's second command: installs and passes the tests.
# Usage: bash tools/run_tests.sh [arguments of pytest]
case "${1:-}" in
-h | --help)
    echo "usage: [PYTHON=python3.11] [VENV=.venv] bash $0 [arguments of pytest]"
    exit
    ;;
esac
. "$(dirname "${BASH_SOURCE[0]}")/setup_venv.sh"
python -m mmseg_contrast.tooling.collect_env
python -m pytest tests -n 2 --dist loadfile "$@"
