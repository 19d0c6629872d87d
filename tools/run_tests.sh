#!/usr/bin/env bash
# README's second command: installs and passes the tests.
# Usage: bash tools/run_tests.sh [arguments of pytest]
. "$(dirname "${BASH_SOURCE[0]}")/setup_venv.sh"
python -m mmseg_contrast.utils.collect_env
python -m pytest tests -n 2 --dist loadfile "$@"
