"""What the cluster's shell commands do, on a confined directory, in their own words; nothing is executed."""
