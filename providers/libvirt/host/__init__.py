"""Hosts as libvirt shows them: connections, pools, volumes, domains, and what failures mean."""
