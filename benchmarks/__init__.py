"""Measurements that others can repeat: each prints the machine, the versions and ratios with their spread."""
