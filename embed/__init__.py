"""The library, and ``python -m embed``. ``__version__`` is the whole project's: pyproject.toml
reads it here, since the image holds no installed package to ask."""

__version__ = "0.1.0"
