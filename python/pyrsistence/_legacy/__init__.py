"""What was before: stores of pyrsistence 1.1, pickles from strangers, modules that have moved."""
