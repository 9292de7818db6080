"""The `libvirt` backend: storage pools of virtualization hosts are regions."""
