"""CLAP's text tower and its tokenizer, to files that are proved equal to transformers'."""
