"""Songs that sound like words: ``/recommend/text``."""
