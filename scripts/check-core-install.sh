#!/usr/bin/env bash
# The core without extras: metering, networks, import and the energy model must work without JAX or plotting.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements-ci.txt .
cd "$venv"
for heavy in jax sklearn altair torch pandas; do
  ! bin/python -c "import $heavy" 2>/dev/null || { echo "the core pulls in $heavy" >&2; exit 1; }
done
bin/wattlas doctor --json >/dev/null
bin/wattlas measure --meter modelled -o m.json -- true
bin/wattlas network --shape trapezoid --depth 4 --size 4096 --inputs 126 --outputs 3 --json
echo "the core works alone"
