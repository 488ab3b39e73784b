"""Days of use in minutes, on a fast clock: `python -m tests.soak [--short]`; hours of a job on grants: `--job`.

The real daemon, its exchanges, the stand-in `op` and the embedded STS, each a process under libfaketime, all on one
clock; a scripted human, and clients that never stop. See `play` for how time passes, `week` for what happens, `job` for
the job.
"""
