"""Requests that must be answered alike everywhere."""

from __future__ import annotations

import json
from typing import Any

from tests.clips import FORM, form, wav
from tests.events import JSON, Asked


def recommend(body: Any, **headers: str) -> Asked:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Asked("POST", "/recommend", "", content, JSON | headers)


def audio(body: bytes, query: str = "", **headers: str) -> Asked:
    return Asked("POST", "/recommend/audio", query, body, {"content-type": "audio/wav"} | headers)


def playlist(body: Any, **headers: str) -> Asked:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Asked("POST", "/playlist", "", content, JSON | headers)


M3U8 = {"accept": "audio/x-mpegurl"}


def words(body: Any, **headers: str) -> Asked:
    return recommend(body, **headers)._replace(path="/recommend/text")


REQUESTS = [
    Asked("GET", "/health"),
    Asked("GET", "/livez"),
    Asked("GET", "/readyz"),
    Asked("GET", "/"),
    Asked("GET", "/", "", b"", {"accept-encoding": "gzip, br"}),
    Asked("GET", "/", "song=in+this+dark"),
    Asked("HEAD", "/"),
    Asked("GET", "/static/main.js"),
    Asked("GET", "/static/base.css", "", b"", {"accept-encoding": "gzip"}),
    Asked("GET", "/static/icon.svg"),
    Asked("GET", "/static/main.js", "", b"", {"if-none-match": "*"}),
    Asked("GET", "/static/nope.js"),
    Asked("GET", "/static/../page.py"),
    Asked("GET", "/static/%2e%2e/page.py"),
    Asked("POST", "/static/main.js"),
    Asked("GET", "/map"),
    Asked("GET", "/map", "", b"", {"accept-encoding": "gzip;q=0"}),
    Asked("HEAD", "/map"),
    Asked("GET", "/map/names"),
    Asked("GET", "/map/names", "page=1"),
    Asked("GET", "/map/names", "page=-1"),
    Asked("GET", "/map/similarities", "song=in+this+dark"),
    Asked("GET", "/map/similarities", "song=purple+rain"),
    Asked("GET", "/map/similarities"),
    Asked("GET", "/previews", "song=dancing+queen"),
    Asked("HEAD", "/previews", "song=dancing+queen"),
    Asked("GET", "/previews", "song=dancing+queen", b"", {"range": "bytes=100-199"}),
    Asked("GET", "/previews", "song=dancing+queen", b"", {"range": "bytes=-5"}),
    Asked("GET", "/previews", "song=dancing+queen", b"", {"range": "bytes=5000-"}),
    Asked("GET", "/previews", "song=dancing+queen", b"", {"if-none-match": "*"}),
    Asked("GET", "/previews", "song=creep"),
    Asked("GET", "/previews", "song=purple+rain"),
    Asked("GET", "/previews"),
    Asked("GET", "/docs"),
    Asked("GET", "/docs/"),
    Asked("GET", "/docs/start.js"),
    Asked("GET", "/docs/swagger-ui.css"),
    Asked("GET", "/docs/swagger-ui-bundle.js"),
    Asked("GET", "/openapi.json"),
    Asked("GET", "/version"),
    Asked("GET", "/metrics"),
    Asked("HEAD", "/metrics"),
    Asked("POST", "/metrics"),
    Asked("GET", "/songs", "limit=1", b"", {"x-request-id": "of-the-client"}),
    Asked("GET", "/songs"),
    Asked("GET", "/songs/"),
    Asked("GET", "/songs", "limit=3"),
    Asked("GET", "/songs", "q=queen&limit=1"),
    Asked("GET", "/songs", "q=bj%C3%B6rk"),
    Asked("GET", "/songs", "q=sigur+r%C3%B3s%20-"),
    Asked("GET", "/songs", "q=%FF%00%ED%A0%80"),
    Asked("GET", "/songs", "q=a%26limit=3"),
    Asked("GET", "/songs", "limit=0"),
    Asked("GET", "/songs", "q=a&q=b"),
    Asked("GET", "/songs", "cursor=cm93OjI"),
    Asked("GET", "/songs", "cursor=%%"),
    Asked("GET", "/songs%20"),
    Asked("GET", "/s%6Fngs"),
    Asked("GET", "/bj%C3%B6rk"),
    Asked("GET", "/%FF"),
    Asked("GET", "/nope/"),
    Asked("HEAD", "/songs"),
    Asked("HEAD", "/docs"),
    Asked("HEAD", "/nope"),
    Asked("POST", "/songs"),
    Asked("GET", "/recommend"),
    Asked("OPTIONS", "/recommend"),
    recommend({"song": "in this dark", "top_k": 3}),
    recommend({"song": "björk"}),
    recommend('{"song": "Björk", "top_k": 2}'.encode()),
    recommend({"song": "daft pnuk"}),
    recommend({"songs": ["queen", "creep"], "exclude": ["x y z"], "min_similarity": -0.01}),
    recommend({"song": "creep", "exclude_same_artist": True, "top_k": 100}),
    recommend({"song": "purple rain"}),
    recommend({"song": "\0"}),
    recommend({"song": "a", "top_k": "x"}),
    recommend({}),
    recommend(b""),
    recommend(b"{"),
    recommend(b'{"song":"\xff"}'),
    recommend(b"[" * 1_000),
    recommend(b" " * 65_536),
    recommend(b" " * 65_537),
    recommend({"song": "a"}, **{"content-type": "text/plain"}),
    Asked("POST", "/recommend", "", b'{"song": "creep", "top_k": 1}', {}),
    Asked("GET", "/recommend/audio"),
    audio(wav(), "top_k=3&exclude=creep&exclude=x+y+z&min_similarity=-0.5"),
    audio(form(("file", wav(0.5))), "top_k=1", **FORM),
    audio(wav(130, 16_000), "top_k=2"),  # 4.2 MB: in base64 about what an event may hold
    audio(wav(), "top_k=3&not_like=creep&not_like=queen&diversity=0.5&max_per_artist=1"),
    audio(wav(130), "top_k=2"),  # 2 MB: what Lambda takes ends at 4.4
    audio(wav(), "diversity=2&not_like="),
    audio(wav(), "not_like=no+such+song"),
    audio(wav(), "top_k=2", **M3U8),
    audio(wav(), "top_k=0"),
    audio(wav(), "song=a"),
    audio(wav(level=0)),
    audio(wav()[:60]),
    audio(b""),
    audio(b"no sound"),
    audio(b"{}", **JSON),
    audio(form(("song", b"creep")), **FORM),
    audio(form(("file", b"\xff"), ("file", b"\xfe")), **FORM),
    audio(form(("file", wav()), end=b""), **FORM),
    audio(b"--no form", **FORM),
    recommend({"song": "creep", "not_like": ["queen"], "diversity": 0.5, "max_per_artist": 1}),
    recommend({"song": "creep", "not_like": ["no such song"]}),
    recommend({"song": "creep", "diversity": 2, "max_per_artist": 0}),
    recommend({"song": "creep"}, **M3U8),
    recommend({"song": "purple rain"}, **M3U8),
    playlist({"from": "creep", "to": "björk", "n": 5}),
    playlist({"from": "creep", "to": "björk", "n": 5, "not_like": ["abba"], "exclude": ["xyz"]}),
    playlist({"from": "creep", "to": "creep"}),
    playlist({"from": "creep"}),
    playlist({"from": "creep", "to": "purple rain"}),
    playlist({"songs": ["creep", "queen"], "n": 4, "max_per_artist": 1, "diversity": 0.3}),
    playlist({"songs": ["creep"], "n": 0}),
    playlist({"songs": ["creep"], "n": 3}, **M3U8),
    playlist({"these": ["creep", "björk", "creep"]}),
    playlist({"these": ["creep", "björk"]}, **M3U8),
    playlist({"these": ["creep"], "n": 3}),
    playlist({"songs": ["creep"]}, accept="application/vnd.apple.mpegurl;q=0.5, text/html"),
    playlist(b"{"),
    playlist({"songs": ["creep"]}, **{"content-type": "text/plain"}),
    Asked("GET", "/similar-pairs"),
    Asked("GET", "/similar-pairs", "kind=version&limit=1&min_similarity=-1"),
    Asked("GET", "/similar-pairs", "kind=twin&limit=0&x=1"),
    Asked("GET", "/similar-pairs", "cursor=cGFpcjoyOjA"),
    Asked("GET", "/similar-pairs", "cursor=cm93OjI"),
    Asked("POST", "/similar-pairs"),
    Asked("GET", "/playlist"),
    Asked("GET", "/recommend/text", "q=slow+dark+piano&top_k=3"),
    Asked("GET", "/recommend/text", "q=slow%20piano&minus=drums&minus=loud&minus_weight=0.5"),
    Asked("GET", "/recommend/text", "q=%E6%9A%97%E3%81%84&exclude=creep&min_similarity=0.01"),
    Asked("GET", "/recommend/text", "q=slow&minus=slow"),
    Asked("GET", "/recommend/text", "q=%20"),
    Asked("GET", "/recommend/text"),
    Asked("HEAD", "/recommend/text", "q=piano"),
    Asked("PUT", "/recommend/text"),
    words({"text": "slow dark piano", "top_k": 2}),
    words({"text": "piano", "minus": "drums", "exclude": ["nobody at all"]}),
    words({"text": "piano", "minus": ["drums", "loud"], "minus_weight": 2}),
    words({"text": "🎹" * 1_000}),
    words({"text": "x" * 1_001}),
    words({"text": "piano", "minus": {}}),
    words(b'{"text": "\\ud800"}'),
    words({"text": "piano", "top_k": 2}, **M3U8),
    Asked("GET", "/recommend/text", "q=piano&top_k=2", b"", M3U8),
    words({"text": "piano"}, **{"content-type": "text/plain"}),
]
