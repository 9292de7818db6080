"""OVA and OVF: what such an archive says about a machine, and where the bytes of its disks are. Nothing is unpacked."""
