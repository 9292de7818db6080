#!/usr/bin/env bash
# Runs the quickstart in a temporary folder: plan, apply, plan again; damage, drift, repair.
# Stops at the first unexpected exit code. Needs `reconciler` and `python` on PATH, as `make demo` has them.
set -euo pipefail
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$examples/../..${PYTHONPATH:+:$PYTHONPATH}"

. "$examples/demo-steps.sh"

folder=$(mktemp -d "${TMPDIR:-/tmp}/reconciler-demo.XXXXXX")
cp -r "$examples/quickstart/." "$folder"
kept=$folder
cd "$folder"
printf 'Running the quickstart in %s\n' "$folder"

three_images

heading "What would apply do?"
expect 2 reconciler plan --detailed-exitcode

heading "Apply: every region gets its copies"
expect 0 reconciler apply --auto-approve
printf '$ %s\n' "find regions -name 'replica-*' | sort"
find regions -name 'replica-*' | sort

heading "Plan again: no changes"
expect 0 reconciler plan --detailed-exitcode

damaged=regions/westus/corp/web/1.1.0/replica-1.os.raw
[ -f "$damaged" ] || surprise "$damaged is missing after apply"
heading "Someone truncates $damaged"
chmod u+w "$(dirname "$damaged")" "$damaged"
expect 0 truncate --size=100 "$damaged"

heading "The drift job finds it"
expect 2 reconciler drift

heading "The next apply repairs it"
expect 0 reconciler apply --auto-approve
expect 0 cmp images/web-1.1.0.img "$damaged"
expect 0 reconciler drift --deep

heading "Done. The files are in $folder; remove it when you have seen enough"
