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
# As upstream: imports come after the standard library and before site-packages, and children do not inherit them.
export RUNFILES_DIR="$runfiles" PYTHONSAFEPATH=1
python='%python_binary%'
case $python in /*) ;; *) python=$runfiles/$python ;; esac
exec "$python" -c '
import runpy, sys
_, imports, *sys.argv = sys.argv
places = [place for place, folder in enumerate(sys.path) if folder.endswith("-packages")]
place = places[0] if places else len(sys.path)
sys.path[place:place] = imports.split(":")
runpy.run_path(sys.argv[0], run_name="__main__")
' "$path" "$runfiles/%main%" "$@"
