#!/usr/bin/env bash
# crane of the machine, or of the air-gapped root, which has it.
set -euo pipefail
if command -v crane >/dev/null; then exec crane "$@"
elif [[ -n ${BAZELW_ENTER:-} ]]; then exec "$BAZELW_ENTER" crane "$@"
else echo "crane is not on PATH: install it, or start this with ./bazelw run" >&2; exit 1; fi
