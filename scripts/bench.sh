#!/usr/bin/env bash
# Runs every benchmark in bench/ and prints its medians and spread. Nothing is asserted: machines are noisy.
set -euo pipefail
cd "$(dirname "$0")/.."
for script in bench/bench_*.py; do
  printf '\n== %s\n' "$script"
  python "$script"
done
