"""A real Slurm for one sandbox: its own munged, slurmctld and slurmd, which live and end with it."""
