#!/usr/bin/env bash
# The main job on one spec: meters -> runs -> dataset -> energy model -> advice -> report.
# Stop it at any point and start it again: the sweep goes on where it was, the rest is made anew from the store.
set -euo pipefail
spec=$1 out=$2
mkdir -p "$out"

say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
[ -t 2 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n%s\n' "$*" >&2; }

say "1. This machine and its meters"
wattlas doctor
say "2. The sweep"
wattlas sweep run "$spec" --store "$out/store"
say "3. The dataset"
wattlas dataset build "$out/store" "$out/dataset" --force
say "4. The energy model"
wattlas model fit "$out/dataset" --allow-modelled -o "$out/model.json" --force
say "5. The advice: digits to a test loss of 0.2 for the fewest joules"
wattlas advise "$out/dataset" --dataset digits --target-loss 0.2
say "6. The report"
wattlas report "$out/dataset" --model "$out/model.json" -o "$out/report.html" --force
say "Done: open $out/report.html"
