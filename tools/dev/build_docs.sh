#!/usr/bin/env bash
# Builds the site of the documentation; a warning is an error.
# Usage: tools/dev/build_docs.sh [FOLDER]     (docs/_build by default; needs the extra docs)
set -euo pipefail
case "${1:-}" in
-h | --help)
    echo "usage: [PYTHON=python] $0 [FOLDER]"
    exit
    ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
OUT=${1:-docs/_build}
"${PYTHON:-python}" -m sphinx -E -W --keep-going -q -b html docs "$OUT"
echo "$OUT/index.html"
