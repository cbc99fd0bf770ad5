"""Where bundles live: a local directory or ``s3://bucket/prefix``.

    versions/<digest>/…   immutable; the digest is the SHA-256 of the version's manifest.json,
                          which is written last: without it there is no version
    latest                the digest of the version to serve, and a newline; written last of
                          all, and only when it still is what the writer saw
    progress.sqlite       what runs of python -m embed know of the music; a help, not a bundle

A reader never sees half a bundle; a killed writer leaves the old one serving, and the next
one goes on where it was.
"""
