"""The tables of ``catalogue.sqlite``, as SQL."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x56494245  # "VIBE"
SCHEMA_VERSION: Final = 1

SCHEMA: Final = f"""
PRAGMA page_size = 4096;
PRAGMA journal_mode = OFF;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE songs (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, folded TEXT NOT NULL,
    artist TEXT, title TEXT NOT NULL, path TEXT NOT NULL, duration_s REAL NOT NULL,
    sha256 TEXT NOT NULL, spec_digest TEXT NOT NULL
);
-- detail=none: 5 MB for 100,000 names instead of 14, and a match is confirmed on the name
-- anyway. One language's words are no good here: trigrams serve every script.
CREATE VIRTUAL TABLE names USING fts5(
    plain, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1'
);
-- Of names that have no trigram.
CREATE TABLE short_names (row INTEGER PRIMARY KEY);
"""
COPIES: Final = """
SELECT row, first FROM songs JOIN (
    SELECT sha256, MIN(row) AS first FROM songs WHERE sha256 <> ''
    GROUP BY sha256 HAVING COUNT(*) > 1
) USING (sha256) WHERE row <> first
"""
INDEXES: Final = f"""
CREATE INDEX songs_by_sha256 ON songs (sha256);
-- Found once, not at each start: half a second among a million songs.
CREATE TABLE copies (row INTEGER PRIMARY KEY, first INTEGER NOT NULL);
INSERT INTO copies {COPIES} ORDER BY row;
INSERT INTO names (names) VALUES ('optimize');
-- How many names hold each trigram: of a name the rare ones are enough, and FTS5 itself would
-- have to read all of a trigram's rows to say.
CREATE TABLE trigrams (trigram TEXT PRIMARY KEY, songs INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, names, row);
INSERT INTO trigrams SELECT term, doc FROM temp.vocabulary ORDER BY term;
DROP TABLE temp.vocabulary;
"""  # noqa: S608
# In a file without a name: songs are sorted on disk, so that any number of them is.
GIVEN: Final = """
CREATE TEMP TABLE given (
    folded TEXT, name BLOB, path BLOB, id TEXT, artist TEXT, title TEXT, duration_s REAL,
    sha256 TEXT
);
"""
