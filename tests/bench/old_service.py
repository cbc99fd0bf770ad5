"""The service that this one replaces, rebuilt: the reference of ``make bench``.

    python -m tests.bench.old_service CATALOGUE.npz PORT

FastAPI with sync routes and response models, a precomputed N × N cosine matrix, names in a
dictionary: exact, else the first that contains what was asked.
"""

from __future__ import annotations

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sklearn.metrics.pairwise import cosine_similarity


class Asked(BaseModel):
    song: str
    top_k: int = 5


class Recommended(BaseModel):
    song: str
    similarity: float


class Answer(BaseModel):
    matched: str | None = None
    recommendations: list[Recommended] = []
    error: str | None = None


class Songs(BaseModel):
    songs: list[str]


def create_app(names: list[str], embeddings: np.ndarray) -> FastAPI:
    app = FastAPI()
    matrix = cosine_similarity(embeddings)
    rows = {name: row for row, name in enumerate(names)}
    ordered = sorted(names)

    def find(asked: str) -> int | None:
        if asked in rows:
            return rows[asked]
        wanted = asked.lower()
        return next((row for name, row in rows.items() if wanted in name.lower()), None)

    @app.get("/health")
    def health() -> dict[str, object]:
        return {"status": "ok", "songs_loaded": len(names)}

    @app.get("/songs", response_model=Songs)
    def songs() -> Songs:
        return Songs(songs=ordered)

    @app.post("/recommend", response_model=Answer)
    def recommend(asked: Asked) -> Answer:
        row = find(asked.song)
        if row is None:
            raise HTTPException(404, f"{asked.song}: no such song")
        order = [int(other) for other in np.argsort(matrix[row])[::-1] if other != row]
        found = [
            Recommended(song=names[other], similarity=round(float(matrix[row, other]), 4))
            for other in order[: asked.top_k]
        ]
        return Answer(matched=names[row], recommendations=found)

    return app


def main() -> None:
    catalogue, port = sys.argv[1:]
    with np.load(catalogue) as value:
        app = create_app([str(name) for name in value["names"]], value["embeddings"])
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
