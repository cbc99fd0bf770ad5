"""The API over a bundle. Nothing here is imported by ``embed`` or ``export``."""
