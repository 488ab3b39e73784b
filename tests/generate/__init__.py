"""Files that are made from the code: completions, man pages, tables of the docs. `make generate` writes them."""
