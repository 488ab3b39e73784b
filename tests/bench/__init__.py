"""What has a budget, measured beside its reference in the same run: `python -m tests.bench [GROUP …]`.

Laws: (1) nothing here is a test: a missed budget is told, and nothing fails; (2) measured and reference take turns, so
that a busy machine hits both; what is shown are medians.
"""
