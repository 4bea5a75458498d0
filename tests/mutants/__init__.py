"""Each safeguard removed in turn, in a copy of the tree: some test must fail (`make mutants`)."""
