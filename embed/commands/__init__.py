"""What ``python -m embed`` tells of a bundle, without a server. See docs/cli.md.

Tables are for people; with ``--json`` there is one JSON document on standard output.
"""
