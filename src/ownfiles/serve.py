"""An HTTP service for a model that `my_pictures` or `my_table` saved: make serve MODEL=build/my_pictures/model

    curl -F picture=@photo.jpg http://127.0.0.1:8000/predict
    curl --json '{"texts": ["A film to love."]}' http://127.0.0.1:8000/predict

Answers are JSON; / is a form for a browser, /health says whether the service works, /metrics counts for Prometheus.
What a client sends is taken for hostile: it is bounded in bytes, pixels, items and time, and what cannot be used gets
a status of 4xx and a sentence. Requests that come together are computed together. There is no password and no
encryption: the service listens to this machine alone, unless `--host` says otherwise. Ctrl-C ends it after the
requests that it has begun.
"""

import argparse
import asyncio
import base64
import binascii
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import h11
import numpy as np
import prometheus_client as prometheus
import uvicorn
from scipy.special import softmax
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol
from groundup import session

from . import image_folder
from .image_folder.base import Bad
from .image_folder.decode import decoded

ITEMS = 32  # pictures or texts in a request, and in a batch
BYTES = 8_000_000  # of a request
PIXELS = 20_000_000  # of a picture
LETTERS = 20_000  # of a text
ARRIVING = 10  # seconds that the head of a request may take, and its body
ANSWERING = 30  # seconds until a client is told that it takes too long
WAITING = 256  # pictures or texts that wait for the model; more are refused
CONNECTIONS = 64  # at a time; more are refused

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A saved model</title>
<style>body {{ font: 1rem/1.5 sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem }}</style>
<h1>A saved model</h1><p>It tells apart: {classes}.</p>
<form action="/predict" method="post" enctype="multipart/form-data"><label>{label}</label> <button>Ask</button></form>
</html>"""
FIELDS = {
    "pictures": 'Pictures: <input type="file" name="picture" accept="image/*" multiple required>',
    "texts": 'A text: <br><textarea name="text" rows="5" cols="50" required></textarea><br>',
}


class Model(NamedTuple):
    """What answers, whatever is in the folder."""

    kind: str  # "pictures" or "texts"
    classes: list  # of str
    read: Any  # function of the bytes of a picture, or of a text -> what `answer` takes; ValueError says why not
    answer: Any  # function of a list of these -> probabilities (n, classes)
    blank: Any  # something to answer, before anyone asks


def load(folder):
    """The Model in a folder that `image_folder.save` or `bert.save` wrote.

    Raises:
        FolderError, BertError: there is none, or it is broken; the message says how to mend it.
    """
    from groundup.models import bert

    if not (Path(folder) / "classifier.json").is_file():
        saved = image_folder.restore(folder)
        read, answer = lambda content: pixels(content, saved.size), saved.model.predict_on_batch
        blank = np.zeros((saved.size, saved.size, 3), np.uint8)
        return Model("pictures", saved.classes, read, lambda pictures: answer(np.stack(pictures)), blank)
    found = bert.restore(folder)
    return Model("texts", found.classes, text, lambda texts: softmax(found.predict(texts), axis=1), "a")


def pixels(content, size):
    """(size, size, 3) uint8 of a picture's bytes; ValueError with a sentence if they are none."""
    with tempfile.NamedTemporaryFile(delete=False) as file:  # decoding reads files, and has met every broken one
        file.write(content)
    try:
        return decoded(file.name, size, 1, PIXELS)[0]
    except Bad as bad:
        raise ValueError(bad.args[1]) from None
    finally:
        Path(file.name).unlink(missing_ok=True)


def text(words):
    """The same str; ValueError with a sentence if it is empty, too long, or holds half a character."""
    if not words.strip() or len(words) > LETTERS:
        raise ValueError(f"It has {len(words):,} characters; give it 1 to {LETTERS:,}, not all of them spaces.")
    try:
        words.encode()
    except UnicodeEncodeError:
        raise ValueError("It holds half of a surrogate pair, which is no character.") from None
    return words


class Batches:
    """Items that wait for the model, which takes at once what has come while it was at work.

    Args:
        answer: function of a list of items -> an array with a row for each, called in one thread.
        size: int, the most items that it gets.
        room: int, items that may wait.
    """

    def __init__(self, answer, size, room):
        self.answer, self.size, self.room, self.waiting = answer, size, room, asyncio.Queue()

    async def ask(self, items):
        """Rows for items, in their order; asyncio.QueueFull if they find no room."""
        if self.waiting.qsize() + len(items) > self.room:
            raise asyncio.QueueFull
        futures = [asyncio.get_running_loop().create_future() for _ in items]
        for pair in zip(items, futures, strict=True):
            self.waiting.put_nowait(pair)
        try:
            return await asyncio.gather(*futures)
        finally:  # a client that has gone, or waited too long, costs nothing more
            for future in futures:
                future.cancel()

    async def run(self, told):
        """Answer until cancelled; told(n) is called before each batch of n."""
        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)
        while True:
            batch = [await self.waiting.get()]
            while len(batch) < self.size and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            batch = [(item, future) for item, future in batch if not future.done()]
            if not batch:
                continue
            told(len(batch))
            try:
                rows = await loop.run_in_executor(thread, self.answer, [item for item, _ in batch])
                for (_, future), row in zip(batch, rows, strict=True):
                    if not future.done():
                        future.set_result(row)
            except Exception as error:  # whatever a model raises, the next batch may be better
                for _, future in batch:
                    if not future.done():
                        future.set_exception(RuntimeError(str(error)[:200]))


async def body(request):
    """The bytes of a request, or HTTPException: 413 for too many, 408 if they do not come."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "The body is compressed; send it as it is.")
    content, size = bytearray(), 0

    async def read():
        nonlocal size
        async for part in request.stream():  # to its end, for most clients read no answer before they have sent all
            size += len(part)
            if size <= BYTES:
                content.extend(part)

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(read(), ARRIVING)
        if size <= BYTES:
            return bytes(content)
    if size > BYTES:
        raise HTTPException(413, f"The body has more than {BYTES:,} bytes; send fewer items.", {"connection": "close"})
    raise HTTPException(408, f"The body did not arrive within {ARRIVING} s.", {"connection": "close"})


async def items(request, kind):
    """What a request asks about: a list of bytes (pictures) or of str (texts), or HTTPException."""
    content, sort = await body(request), request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sort == "application/json":
        found = of_json(content, kind)
    elif sort == "multipart/form-data":
        found = await of_form(request, content, kind)
    elif kind == "pictures" and (sort.startswith("image/") or sort == "application/octet-stream"):
        found = [content]
    else:
        ways = "a form (multipart/form-data), JSON" + ", or one picture (image/...)" * (kind == "pictures")
        raise HTTPException(415, f"The content type is {sort[:50] or 'not given'}; send {ways}.")
    if not 1 <= len(found) <= ITEMS:
        raise HTTPException(422, f"There are {len(found)} {kind}; send 1 to {ITEMS}.")
    return found


def of_json(content, kind):
    """The list under the key `kind`; pictures are base64 there."""
    try:
        sent = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"The body is not JSON: {str(error)[:100]}.") from None
    found = sent.get(kind) if isinstance(sent, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise HTTPException(422, f'The JSON lacks a list of strings "{kind}".')
    try:
        return found if kind == "texts" else [base64.b64decode(item, validate=True) for item in found]
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, f"A picture is not base64: {str(error)[:100]}.") from None


async def of_form(request, content, kind):
    """The files of a form, or its fields named text."""

    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    fields = {} if kind == "pictures" else {"max_files": 0}
    async with Request(request.scope, receive).form(max_fields=ITEMS + 1, max_part_size=BYTES, **fields) as form:
        if kind == "texts":
            return [value for name, value in form.multi_items() if name == "text" and isinstance(value, str)]
        return [await value.read() for _, value in form.multi_items() if not isinstance(value, str)]


def application(model, hosts=("127.0.0.1", "localhost")):
    """The service as an ASGI application.

    Args:
        model: Model.
        hosts: names by which clients may call it; others are refused, so that no page of the web can reach it by a
            name of its own that leads here. ["*"]: all.
    """
    registry = prometheus.CollectorRegistry()
    in_model = prometheus.Histogram("predict_model_seconds", "of a batch, in the model alone", registry=registry)

    def answer(items):
        with in_model.time():
            return model.answer(items)

    batches = Batches(answer, ITEMS, WAITING)
    count = prometheus.Counter("predict_requests", "requests for predictions", ["status"], registry=registry)
    seconds = prometheus.Histogram("predict_seconds", "from a request's head to its answer", registry=registry)
    sizes = prometheus.Histogram(
        "predict_batch", "items computed together", buckets=(1, 2, 4, 8, 16, 32), registry=registry
    )
    waiting = prometheus.Gauge("predict_waiting", "items that wait for the model", registry=registry)
    waiting.set_function(lambda: batches.waiting.qsize())

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.decoder = ThreadPoolExecutor(1)  # one: decoding is not for several threads at once
        work = asyncio.create_task(batches.run(sizes.observe))
        yield
        work.cancel()

    def read_all(found):
        for number, item in enumerate(found, 1):
            try:
                yield model.read(item)
            except ValueError as error:
                raise HTTPException(422, f"Number {number} of {model.kind} cannot be used. {error}") from None

    async def answered(request):
        found = await items(request, model.kind)
        loop = asyncio.get_running_loop()
        ready = await loop.run_in_executor(request.app.state.decoder, lambda: list(read_all(found)))
        return await batches.ask(ready)

    async def predict(request):
        start, status = time.perf_counter(), 500
        try:
            rows = await asyncio.wait_for(answered(request), ARRIVING + ANSWERING)
            status = 200
            return JSONResponse({"predictions": [told(model.classes, row) for row in rows]})
        except asyncio.QueueFull:
            status = 503
            raise HTTPException(503, "Too many wait; ask again in a second.", {"retry-after": "1"}) from None
        except asyncio.TimeoutError:
            status = 504
            raise HTTPException(504, f"There is no answer after {ARRIVING + ANSWERING} s.") from None
        except HTTPException as error:
            status = error.status_code
            raise
        except ClientDisconnect:
            status = 499
            return Response(status_code=499)
        finally:
            count.labels(status).inc()
            seconds.observe(time.perf_counter() - start)

    async def health(request):
        return JSONResponse({"status": "ok", "kind": model.kind, "classes": model.classes})

    async def metrics(request):
        return Response(prometheus.generate_latest(registry), media_type="text/plain; version=0.0.4")

    async def page(request):
        safe = ", ".join(model.classes).replace("&", "&amp;").replace("<", "&lt;")
        policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
        return HTMLResponse(PAGE.format(classes=safe, label=FIELDS[model.kind]), headers=policy)

    async def refused(request, error):
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    async def failed(request, error):
        return JSONResponse({"error": f"The model failed: {str(error)[:200]}"}, 500)

    routes = [
        Route("/", page),
        Route("/health", health),
        Route("/metrics", metrics),
        Route("/predict", predict, methods=["POST"]),
    ]
    allowed = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)]
    handlers = {HTTPException: refused, RuntimeError: failed}
    return Starlette(routes=routes, middleware=allowed, exception_handlers=handlers, lifespan=lifespan)


def told(classes, row):
    """One answer as JSON has it."""
    chances = [float(p) for p in row]
    if len(chances) == 1:  # a sigmoid
        chances = [1 - chances[0], chances[0]]
    best = int(np.argmax(chances))
    each = dict(zip(classes, (round(p, 6) for p in chances), strict=True))
    return {"class": classes[best], "probability": each[classes[best]], "probabilities": each}


class Impatient(H11Protocol):
    """uvicorn's protocol, which waits for the head of a request for as long as a client likes; this one does not."""

    patience = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self.wait()

    def data_received(self, data):
        super().data_received(data)
        self.wait()

    def wait(self):
        """Count from the first moment that a head is missing; stop when it is there."""
        missing = self.conn.their_state is h11.IDLE and (self.cycle is None or self.conn.trailing_data[0])
        if missing and self.patience is None:
            self.patience = self.loop.call_later(ARRIVING, self.transport.close)
        elif not missing and self.patience:
            self.patience = self.patience.cancel()

    def connection_lost(self, error):
        if self.patience:
            self.patience.cancel()
        super().connection_lost(error)


def serve(model, listening, hosts):
    """Answer requests on a socket until Ctrl-C or SIGTERM."""
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it warns of what the client is told
    config = uvicorn.Config(
        application(model, hosts),
        http=Impatient,
        ws="none",
        log_level="error",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=ARRIVING,
        timeout_graceful_shutdown=ANSWERING,
        server_header=False,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def main(arguments=None):
    """Command line; returns the exit status: None, or the sentence of what went wrong."""
    parser = argparse.ArgumentParser(prog="ownfiles.serve", description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a saved model, such as build/my_pictures/model")
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: all who reach this machine (default: itself)")
    chosen = parser.parse_args(arguments)
    from groundup.models.bert import BertError

    try:
        listening = socket.create_server((chosen.host, chosen.port))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        return f"Nothing can listen at {chosen.host}, port {chosen.port} ({why}); give another, such as --port 8001."
    with listening:
        try:
            model = load(session.readers_path(chosen.model))
        except (image_folder.FolderError, BertError) as error:
            return str(error)
        for n in (1, 2, ITEMS):  # graphs are built before anyone waits
            model.answer([model.blank] * n)
        here = chosen.host in ("127.0.0.1", "localhost")
        host, port = listening.getsockname()[:2]
        print(f"{len(model.classes)} classes: {', '.join(map(image_folder.shown, model.classes))}")
        print(f"http://{host}:{port}/ takes {model.kind}; Ctrl-C ends it.", flush=True)
        if not here:
            print("Everyone who reaches this machine may ask: put a proxy with a password in front.", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        serve(model, listening, ("127.0.0.1", "localhost") if here else ["*"])
    return None


def run(arguments):
    """`main` for a shell: ends the process at once, even where a model is still at work for a client that has gone."""
    try:
        status = main(arguments)
    except SystemExit as error:  # of argparse, or SIGTERM
        status = error.code
    if isinstance(status, str):
        print(status, file=sys.stderr)
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else bool(status))


if __name__ == "__main__":
    run(sys.argv[1:])
