#!/usr/bin/env bash
# Loads an image archive into docker, podman or minikube: loader.sh load --input ARCHIVE
# The first that is installed and answers is taken; MCP_IMAGE_LOADER=docker|podman|minikube chooses by hand.
set -euo pipefail
[[ ${1:-} == load && ${2:-} == --input && -n ${3:-} ]] || { echo "usage: loader.sh load --input ARCHIVE" >&2; exit 2; }
archive=$3

answers() {
  command -v "$1" >/dev/null || return 1
  case $1 in
    minikube) minikube status >/dev/null 2>&1 ;;
    *) "$1" info >/dev/null 2>&1 ;;
  esac
}

loader=${MCP_IMAGE_LOADER:-}
case $loader in
  docker | podman | minikube)
    command -v "$loader" >/dev/null || { echo "load: MCP_IMAGE_LOADER is $loader, which is not on PATH: install it" >&2; exit 2; } ;;
  "")
    for candidate in docker podman minikube; do
      if answers "$candidate"; then loader=$candidate; break; fi
    done
    [[ -n $loader ]] || { echo "load: none of docker, podman and minikube is running here: start one, or use the archive of the :tar target" >&2; exit 2; } ;;
  *) echo "load: MCP_IMAGE_LOADER is '$loader': set it to docker, podman or minikube" >&2; exit 2 ;;
esac

if [[ $loader == minikube ]]; then
  # minikube wants a file of its own and not a pipe.
  copy=$(mktemp "${TMPDIR:-/tmp}/image.XXXXXX"); trap 'rm -f "$copy"' EXIT
  cat "$archive" >"$copy"
  minikube image load "$copy"
else
  "$loader" load --input "$archive"
fi
