"""A catalogue's embeddings in Milvus, for more songs than one machine holds. See docs/milvus.md.

``connection.py`` and ``client.py`` alone know pymilvus, which is optional (requirements/milvus.in).
"""
