"""The figures of a reproduction of the paper."""
