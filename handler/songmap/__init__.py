"""The map of the catalogue: where each song lies, its name, and how like a seed it is."""
