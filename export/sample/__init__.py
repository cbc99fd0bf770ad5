"""How the sample model is made: ``python -m export.sample``. Its songs come from embed.sample."""
