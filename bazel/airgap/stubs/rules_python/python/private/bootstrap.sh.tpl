#!/bin/sh
# Starts %main% from the runfiles: the tree beside this file, or the one that this file lies in.
set -eu
self=$0
case $self in */*) ;; *) self=$(command -v -- "$self") ;; esac
while :; do
  if [ -d "$self.runfiles" ]; then runfiles=$self.runfiles; break; fi
  case $self in *.runfiles/*) runfiles=${self%%.runfiles/*}.runfiles; break ;; esac
  [ -L "$self" ] || { echo "$0: no runfiles found" >&2; exit 1; }
  target=$(readlink "$self")
  case $target in /*) self=$target ;; *) self=${self%/*}/$target ;; esac
done
case $runfiles in /*) ;; *) runfiles=$PWD/$runfiles ;; esac

path=$runfiles/%workspace_name%
# A program of another repository imports from that one's root.
main='%main%'
case $main in %workspace_name%/../*) main=${main#%workspace_name%/../}; path=$path:$runfiles/${main%%/*} ;; esac
imports='%imports%'
while [ -n "$imports" ]; do
  import=${imports%%:*}
  path=$path:$runfiles/$import
  [ "$import" = "$imports" ] && break
  imports=${imports#*:}
done
export RUNFILES_DIR="$runfiles" PYTHONPATH="$path${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1
python='%python_binary%'
case $python in /*) ;; *) python=$runfiles/$python ;; esac
exec "$python" "$runfiles/%main%" "$@"
