"""`mayfly completion`, and the completions that it prints: made from the commands' parsers by `make generate`."""
