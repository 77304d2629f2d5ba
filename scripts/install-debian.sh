#!/usr/bin/env bash
# Installs from Debian what tests and Python need and a clean machine may lack. Tests whose program is missing
# are skipped with their reason, so elsewhere than on Debian this says what it would have installed and goes on.
set -euo pipefail

packages=()
command -v chromium >/dev/null || packages+=(chromium) # draws report.html in tests
"${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
command -v make >/dev/null || packages+=(make)

if [ ${#packages[@]} -eq 0 ]; then
  echo "nothing to install"
elif ! command -v apt-get >/dev/null; then
  echo "no apt-get here; tests that need these will be skipped: ${packages[*]}"
elif [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
  echo "not root and no sudo; tests that need these will be skipped: ${packages[*]}"
else
  as_root=(); [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  echo "installed: ${packages[*]}"
fi
