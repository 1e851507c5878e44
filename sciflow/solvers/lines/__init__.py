"""The generic solver between walls: the method of lines."""
