"""The adapter between pyfuse3 and the file system: it translates and does nothing else."""
