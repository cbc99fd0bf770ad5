"""Songs to vectors on many machines, by Ray Data: ``python -m embed … --engine ray``."""
