"""`mayfly recipe`: what to paste, a file for each program that it is pasted into."""
