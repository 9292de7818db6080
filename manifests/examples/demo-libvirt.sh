#!/usr/bin/env bash
# Runs the quickstart on two libvirt hosts, host1 and host2, which must be reachable by ssh and must not have machines or
# pools of these names: plan, apply, damage, drift, repair; a machine from an image; destroy. Leaves nothing on them.
# Needs `reconciler`, `python`, `ssh` and `virsh` on PATH; `make demo-libvirt` provides them, and hosts of its own.
set -euo pipefail
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$examples/../..${PYTHONPATH:+:$PYTHONPATH}"
. "$examples/demo-steps.sh"

pools=/var/lib/libvirt/images/reconciler-demo

host1=qemu+ssh://host1/system
host2=qemu+ssh://host2/system

volumes() {
    local place
    for place in host1/images host2/images host2/europe; do
        printf '%s\n' "$place"
        virsh --quiet --connect "qemu+ssh://${place%/*}/system" vol-list "${place#*/}" | awk '{ print "    " $1 }' | grep -v '\.reconciler~' || true
    done
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/reconciler-demo.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cp -r "$examples/quickstart/." "$folder"
cd "$folder"

heading "Two hosts, each with a libvirtd that does not know the other"
expect 0 virsh --connect $host1 pool-list --all
expect 0 virsh --connect $host2 pool-list --all

three_images

heading "Regions are pools on these hosts, created when they do not exist"
sed -i '/^provider:/d' reconciler.yaml
cat >> reconciler.yaml <<END
provider:
  type: libvirt
  definePools: true
  regions:
    eastus: {uri: "$host1", pool: images, path: $pools/images}
    westus: {uri: "$host2", pool: images, path: $pools/images}
    northeurope: {uri: "$host2", pool: europe, path: $pools/europe}
END
expect 0 tail -n 7 reconciler.yaml

heading "What would apply do?"
expect 2 reconciler plan --detailed-exitcode

heading "Apply: uploaded once, then copied from host to host"
expect 0 reconciler apply --auto-approve
volumes

heading "Plan again: no changes"
expect 0 reconciler plan --detailed-exitcode

heading "Someone changes one copy, and deletes another"
expect 0 ssh host2 "sed -i s/hello/HELLO/ $pools/images/corp-web-1.1.0-os-*"
expect 0 ssh host2 "rm $pools/europe/corp-web-1.0.0-os-*"

heading "The drift job finds both"
expect 2 reconciler drift

heading "The next apply repairs them from intact copies"
expect 0 reconciler apply --auto-approve
expect 0 reconciler drift --deep

heading "A machine from an image, on the other host"
expect 0 reconciler vm create try-it --image corp/web/latest --region westus --memory 0.5
expect 0 reconciler vm list
printf '$ %s\n' "reconciler vm log try-it --region westus"
said=
for _ in $(seq 300); do
    said=$(reconciler vm log try-it --region westus | grep --max-count=1 'hello from') && break
    sleep 0.2
done
[ "$said" = "hello from web-1.1.0" ] || surprise "the machine did not print the message of its image"
printf '%s\n' "$said"
expect 0 reconciler vm delete try-it --region westus

heading "Destroy everything"
expect 0 reconciler destroy --auto-approve
for place in host1/images host2/images host2/europe; do
    left=$(ssh "${place%/*}" ls -A "$pools/${place#*/}" | grep -v '^\.reconciler~place~' || true)
    [ -z "$left" ] || surprise "$place is not empty: $left"
    expect 0 virsh --connect "qemu+ssh://${place%/*}/system" "pool-destroy ${place#*/}; pool-undefine ${place#*/}"
    ssh "${place%/*}" rm -r "$pools/${place#*/}"
done
ssh host1 rmdir "$pools"
ssh host2 rmdir "$pools"

heading "Done. Nothing is left"
