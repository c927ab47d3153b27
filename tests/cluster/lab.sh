#!/usr/bin/env bash
# Runs the suite on a one-node Kubernetes of its own: tests/cluster/lab.sh [ARGUMENTS OF THE SUITE]
#
# LAB is the program that gives the node (default: ../shared/lab/cluster beside the checkout). It takes `up`, `down`,
# `load ARCHIVE` and `run COMMAND...`, which runs a command where the node is reached and KUBECONFIG is set. What is up stays up.
# Without that program, or where it gives no node, there is nothing to run, and the exit code is 69 (EX_UNAVAILABLE).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
lab=${LAB:-../shared/lab/cluster}
[[ -x $lab ]] || { printf 'lab.sh: there is no %s: set LAB, or run //tests/cluster:e2e on a cluster\n' "$lab" >&2; exit 69; }
lab=$(readlink -f "$lab")

work=$(mktemp -d "${TMPDIR:-/tmp}/e2e.XXXXXX"); trap 'rm -rf "$work"' EXIT
# Bazel stays outside of the lab's network, and the suite starts inside.
./bazelw run --script_path="$work/e2e" //tests/cluster:e2e

up() { "$lab" up >&2 || { printf 'lab.sh: %s up: no node\n' "$lab" >&2; exit 69; }; }
up
# One that was ended from outside leaves its state behind, and passes for up.
"$lab" run kubectl get --raw /readyz >/dev/null 2>&1 || { "$lab" down >&2; up; }
# kubectl logs, exec and port-forward reach the kubelet by its node's name.
read -r address node < <("$lab" run kubectl get nodes --output \
  'jsonpath={range .items[0].status.addresses[?(@.type=="InternalIP")]}{.address}{end} {.items[0].metadata.name}{"\n"}')
getent hosts "$node" >/dev/null || printf '%s %s\n' "$address" "$node" >>/etc/hosts

# The node's kubelet names 10.96.0.10 to its pods as their DNS.
"$lab" run "$work/e2e" --context "$("$lab" run kubectl config current-context)" --loader "$lab load" --stand-ins \
  --dns 10.96.0.10 "$@"
