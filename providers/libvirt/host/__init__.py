"""Hosts as libvirt presents them: connections, pools, volumes, domains and failures."""
