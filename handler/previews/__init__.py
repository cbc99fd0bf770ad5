"""Ten seconds of a song, to listen to."""
