#!/usr/bin/env bash
# Pushes by digest, then tags: push.sh [--repository REPOSITORY] [--tag TAG]... [flags of crane]
set -euo pipefail
# The runfiles: where Bazel says, beside this script, or the folder above the one that `bazel run` starts in.
runfiles=${RUNFILES_DIR:-}
if [[ -z $runfiles ]]; then
  if [[ -d $0.runfiles ]]; then runfiles=$0.runfiles; else runfiles=$(cd .. && pwd); fi
fi

repository='' tags='{{tags}}' flags=()
while [[ $# -gt 0 ]]; do
  case $1 in
    -t | --tag) tags="$2 $tags"; shift 2 ;;
    --tag=*) tags="${1#--tag=} $tags"; shift ;;
    -r | --repository) repository=$2; shift 2 ;;
    --repository=*) repository=${1#--repository=}; shift ;;
    *) flags+=("$1"); shift ;;
  esac
done
[[ -n $repository ]] || { echo "ERROR: repository not set. Please pass --repository flag." >&2; exit 1; }

crane() { bash "$runfiles/{{crane}}" "$@" ${flags[@]+"${flags[@]}"}; }
image=$(readlink -f "$runfiles/{{image}}")
digest=$(grep -o 'sha256:[0-9a-f]*' "$image/index.json" | head -n 1)
crane push "$image" "$repository@$digest"
for tag in $tags; do crane tag "$repository@$digest" "$tag"; done
