"""Linear steady equations: the symbolic form, the matrix, the solver."""
