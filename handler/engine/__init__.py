"""Songs that are searched by an engine elsewhere (VIBE_INDEX). See docs/milvus.md."""
