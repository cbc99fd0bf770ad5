"""A catalogue's embeddings in Milvus, for more songs than one machine holds. See docs/milvus.md.

``client.py`` alone knows pymilvus, which is optional (requirements/milvus.in).
"""
