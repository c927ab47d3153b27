#!/usr/bin/env bash
set -euo pipefail
# The runfiles: where Bazel says, beside this script, or the folder above the one that `bazel run` starts in.
runfiles=${RUNFILES_DIR:-}
if [[ -z $runfiles ]]; then
  if [[ -d $0.runfiles ]]; then runfiles=$0.runfiles; else runfiles=$(cd .. && pwd); fi
fi
export RUNFILES_DIR=$runfiles
loader='{{loader}}'
if [[ -n $loader ]]; then
  loader=$runfiles/$loader
else
  for candidate in docker podman nerdctl; do
    if command -v "$candidate" >/dev/null; then loader=$candidate; break; fi
  done
  [[ -n $loader ]] || { echo "load: none of docker, podman and nerdctl is on PATH: install one" >&2; exit 1; }
fi
exec "$loader" load --input "$runfiles/{{archive}}"
