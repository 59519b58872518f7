"""f7tfs mounts a remote HPC cluster as a local directory over FirecREST."""

__version__ = "0.1.0"
