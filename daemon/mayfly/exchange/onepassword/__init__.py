"""1Password: `op` is run here, and nowhere else."""
