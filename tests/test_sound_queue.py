"""So many clips at a time: the next is told when to come back, and nobody else waits."""

from __future__ import annotations

import asyncio

from handler.app import create_app
from handler.operations.metrics import EncoderMetrics
from handler.sound.routes import Sound
from tests.serving import call
from tests.uploads import Holding, Near, Reader, app_with, upload


def test_when_all_places_are_taken_the_next_is_told_when_to_come_back() -> None:
    async def scene() -> None:
        ear = Holding()
        app = app_with(ear, queue=2)
        first = [asyncio.create_task(upload(app, [b"x"], content_type="audio/ogg")) for _ in "ab"]
        while len(ear.heard) < 2:
            await asyncio.sleep(0)
        refused = await upload(app, [b"x"], content_type="audio/ogg")
        assert (refused.status, refused.taken) == (503, 0)
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json == {
            "matched": None,
            "recommendations": [],
            "error": "2 clips are waiting already; try again in a moment",
        }
        ear.go.set()
        assert [answer.status for answer in await asyncio.gather(*first)] == [200, 200]
        assert (await upload(app, [b"x"], content_type="audio/ogg")).status == 200

    asyncio.run(scene())


def test_the_metrics_tell_of_places_and_of_those_refused() -> None:
    async def scene() -> None:
        ear, metrics = Holding(), EncoderMetrics()
        sound = Sound(Near(), ear, 1_000, 1, metrics=metrics)
        app = create_app(Near(), features=[sound])
        assert (metrics.depth(), metrics.limit) == (0, 1)
        held = asyncio.create_task(upload(app, [b"x"], content_type="audio/ogg"))
        while not ear.heard:
            await asyncio.sleep(0)
        assert metrics.depth() == 1
        await upload(app, [b"x"], content_type="audio/ogg")
        ear.go.set()
        await held
        assert (metrics.depth(), metrics.rejections) == (0, 1)
        assert sum(metrics.durations.counts) == 1
        assert metrics.durations.total_s > 0

    asyncio.run(scene())


def test_an_upload_holds_a_place_until_it_breaks_off() -> None:
    async def scene() -> None:
        app = app_with(Reader(), queue=1)
        stalled = asyncio.create_task(upload(app, [b"x"], content_type="audio/ogg", stalls=True))
        await asyncio.sleep(0.01)
        assert (await upload(app, [b"x"], content_type="audio/ogg")).status == 503
        stalled.cancel()
        await asyncio.gather(stalled, return_exceptions=True)
        assert (await upload(app, [b"x"], content_type="audio/ogg")).status == 200

    asyncio.run(scene())


def test_what_fails_leaves_its_place() -> None:
    async def scene() -> None:
        app = app_with(Reader(), queue=1)
        for pieces, breaks_off in (([b""], False), ([bytes(2_000)], False), ([b"x"], True)):
            await upload(app, pieces, content_type="audio/ogg", breaks_off=breaks_off)
        assert (await upload(app, [b"x"], content_type="audio/ogg")).status == 200

    asyncio.run(scene())


def test_what_cannot_be_taken_takes_no_place() -> None:
    async def scene() -> None:
        ear = Holding()
        app = app_with(ear, queue=1)
        held = asyncio.create_task(upload(app, [b"x"], content_type="audio/ogg"))
        while not ear.heard:
            await asyncio.sleep(0)
        assert (await upload(app, [b"x"], content_type="text/plain")).status == 415
        ear.go.set()
        assert (await held).status == 200

    asyncio.run(scene())


def test_a_service_that_takes_its_time_is_asked_off_the_loop() -> None:
    class Slow(Near):
        is_quick = False

    service = Slow()
    answer = asyncio.run(
        upload(app_with(Reader(), service=service), [b"x"], content_type="audio/ogg")
    )
    assert (answer.status, len(service.asked)) == (200, 1)


def test_the_route_says_all_that_it_takes_and_answers() -> None:
    operation = call(app_with(Reader()), "GET", "/openapi.json").json
    operation = operation["paths"]["/recommend/audio"]["post"]
    assert set(operation["responses"]) == {
        *("200", "400", "404", "405", "408", "413", "415", "422", "500", "501", "503")
    }
    assert "Retry-After" in operation["responses"]["503"]["headers"]
    assert operation["requestBody"]["content"].keys() >= {"multipart/form-data", "audio/*"}
    named = {parameter["name"]: parameter["in"] for parameter in operation["parameters"]}
    assert named.items() >= {"top_k": "query", "exclude": "query"}.items()
    assert [route.path for route in Sound(Near(), Reader(), 1, 1).routes()] == ["/recommend/audio"]
