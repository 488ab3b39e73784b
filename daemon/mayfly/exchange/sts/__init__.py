"""AWS STS: every call to AWS is made here."""
