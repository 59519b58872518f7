"""The parts of bench_large: large files by the mount, by curl and by others."""
