"""`mayfly doctor`: what is well, what is not, and the command that mends it; one file for each subject.

Laws: (1) a doctor changes nothing and raises no prompt; only `--ask` runs an `op` that may prompt; (2) each subject
works with the daemon down, without a config and with a broken one; (3) names are told, values never.
"""
