"""Songs that sound like a clip: ``POST /recommend/audio``.

An upload goes to a bounded file (``upload``), waits for one of a few places (``places``), is
embedded by the bundle's own model in a worker process (``listener``, over ``embed/clip.py``),
and is answered as a name would be (``routes``).
"""
