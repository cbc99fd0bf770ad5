"""Lists of songs: playlists, as JSON or as a file for players, and pairs of near-duplicates."""
