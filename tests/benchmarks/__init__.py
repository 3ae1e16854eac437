"""What `make bench` runs: measurements that print and never fail."""
