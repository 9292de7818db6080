"""The `libvirt` backend: storage pools of hypervisor hosts are regions."""
