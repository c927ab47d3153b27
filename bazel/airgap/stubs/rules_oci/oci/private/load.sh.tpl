#!/usr/bin/env bash
set -euo pipefail
# The runfiles: where Bazel says, beside this script, or the folder above the one that `bazel run` starts in.
runfiles=${RUNFILES_DIR:-}
if [[ -z $runfiles ]]; then
  if [[ -d $0.runfiles ]]; then runfiles=$0.runfiles; else runfiles=$(cd .. && pwd); fi
fi
export RUNFILES_DIR=$runfiles
exec "$runfiles/{{loader}}" load --input "$runfiles/{{archive}}"
