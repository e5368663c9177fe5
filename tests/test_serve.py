"""make serve: what clients send is bounded and answered, whatever it is, and the service goes on."""

import asyncio
import base64
import http.client
import io
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import psutil
import pytest
from PIL import Image
from ownfiles import image_folder, serve

pytestmark = pytest.mark.slow
# The waiting times are shortened, so that their ends can be seen.
SHORT = "import sys; from ownfiles import serve; serve.ARRIVING = 2; serve.run(sys.argv[1:])"
TEXTS = """
import os, sys, time
import numpy as np
from ownfiles import serve
def answer(texts):
    if "raise" in texts:
        raise ValueError("no")
    for text in texts:
        while text.startswith("until ") and not os.path.exists(text[6:]):
            time.sleep(0.01)
    return np.array([[len(text), 0.0] for text in texts])
serve.ARRIVING, serve.ANSWERING, serve.WAITING = 2, 4, 40
serve.load = lambda folder: serve.Model("texts", ["long", "none"], serve.text, answer, "a")
serve.run(["nowhere", "--port", "0"])
"""


def start(code, *arguments):
    """(process, port) of a service."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    seen = ""
    for line in process.stdout:
        seen += line
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
            return process, int(found[1])
    raise AssertionError(seen)


def stop(process):
    process.send_signal(signal.SIGTERM)
    said = process.stdout.read()
    assert (process.wait(20), said) == (0, "")


def ask(port, body=None, sort="application/json", path="/predict", method="POST", **headers):
    """(status, what the JSON holds, or the text)."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps(body) if isinstance(body, dict) else body
    client.request(method, path, body, {"content-type": sort, **headers})
    answer = client.getresponse()
    content = answer.read().decode()
    client.close()
    return answer.status, json.loads(content) if "json" in answer.headers.get("content-type", "") else content


def get(port, path):
    return ask(port, path=path, method="GET")


def picture(colour, side=20, kind="PNG"):
    stream = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(stream, kind)
    return stream.getvalue()


def form(*pictures, name="picture"):
    parts = [
        f'--limit\r\ncontent-disposition: form-data; name="{name}"; filename="{i}.png"\r\n\r\n'.encode() + p + b"\r\n"
        for i, p in enumerate(pictures)
    ]
    return b"".join(parts) + b"--limit--\r\n"


FORM = "multipart/form-data; boundary=limit"
LIGHT, DARK = picture("white"), picture("black")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved model that tells dark pictures from light ones."""
    import keras

    layers = [keras.layers.Rescaling(1 / 255), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(2, activation="softmax")])
    model.layers[-1].set_weights([np.array([[-9, 9]] * 3, "float32"), np.array([13.5, -13.5], "float32")])
    return image_folder.save(model, (["dark", "light"], 8), tmp_path_factory.mktemp("a model é") / "saved")


@pytest.fixture(scope="module")
def pictures(folder):
    process, port = start(SHORT, str(folder), "--port", "0")
    yield process, port
    stop(process)


@pytest.fixture(scope="module")
def texts():
    process, port = start(TEXTS)
    yield process, port
    stop(process)


def test_all_ways_of_sending_pictures_give_what_predict_gives(pictures, folder, tmp_path):
    port = pictures[1]
    (tmp_path / "half.png").write_bytes(half := picture((120, 130, 130)))
    wanted = image_folder.predict(image_folder.restore(folder), tmp_path / "half.png")[0]
    coded = [base64.b64encode(each).decode() for each in (half, LIGHT)]
    for body, sort in ((form(half, LIGHT), FORM), ({"pictures": coded}, "application/json"), (half, "image/png")):
        status, answer = ask(port, body, sort)
        first, *others = answer["predictions"]
        assert status == 200 and first["class"] == wanted.label and [row["class"] for row in others] in ([], ["light"])
        assert first["probabilities"] == pytest.approx(wanted.probabilities, abs=2e-6)


def test_pages_beside_the_predictions(pictures):
    port = pictures[1]
    assert get(port, "/health") == (200, {"status": "ok", "kind": "pictures", "classes": ["dark", "light"]})
    status, page = get(port, "/")
    assert status == 200 and 'name="picture"' in page and "dark, light" in page and "http" not in page
    assert "predict_requests_total" in get(port, "/metrics")[1]


@pytest.mark.parametrize(
    ("body", "sort", "status", "said"),
    [
        (b"", "image/png", 422, "no bytes"),
        (LIGHT[:50], "image/png", 422, "cut short"),
        (b"P6 1 1 255 abc", "image/png", 422, "none of JPEG"),
        (picture("white", 5000), "image/png", 422, "more than 20,000,000"),
        (form(), FORM, 422, "There are 0 pictures"),
        (form(*[LIGHT] * 33), FORM, 422, "There are 33 pictures"),
        (form(LIGHT, b"nothing"), FORM, 422, "Number 2 of pictures"),
        (b"no boundary", FORM, 400, "Invalid"),
        (form(LIGHT), "multipart/form-data", 400, "boundary"),
        (b"[" * 100_000, "application/json", 400, "not JSON"),
        (b"\xff", "application/json", 400, "not JSON"),
        (b"[]", "application/json", 422, 'list of strings "pictures"'),
        ({"pictures": [1]}, "application/json", 422, "list of strings"),
        ({"pictures": ["é"]}, "application/json", 422, "not base64"),
        ({"texts": ["a"]}, "application/json", 422, "list of strings"),
        (b"x=1", "application/x-www-form-urlencoded", 415, "send a form"),
        (LIGHT, "", 415, "not given"),
        (bytes(9_000_000), "image/png", 413, "more than 8,000,000 bytes"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(pictures, body, sort, status, said):
    found, answer = ask(pictures[1], body, sort)
    assert found == status and said in answer["error"], answer


def test_other_hosts_methods_paths_and_codings(pictures):
    port = pictures[1]
    assert ask(port, LIGHT, "image/png", host="evil.example")[0] == 400  # a page of the web under a name of its own
    assert ask(port, LIGHT, "image/png", path="/../etc/passwd")[0] == 404
    assert ask(port, LIGHT, "image/png", method="DELETE")[0] == 405
    assert ask(port, LIGHT, "image/png", **{"content-encoding": "gzip"})[0] == 415


def test_who_sends_nothing_is_not_waited_for(pictures):
    port, start_ = pictures[1], time.monotonic()
    head = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
    beginnings = [
        b"",
        head[:30],
        head + b"content-length: 99\r\n\r\nabc",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET",
    ]
    sockets = []
    for beginning in beginnings:
        sockets.append(socket.create_connection(("127.0.0.1", port)))
        sockets[-1].sendall(beginning)
    answers = []
    for each in sockets:
        each.settimeout(10)
        answer = b""
        while part := each.recv(10_000):
            answer += part
        answers.append(answer.split(b"\r\n")[0])
        each.close()
    assert answers == [b"", b"", b"HTTP/1.1 408 Request Timeout", b"HTTP/1.1 200 OK"]
    assert time.monotonic() - start_ < 8


def test_more_connections_than_are_served(pictures):
    port = pictures[1]
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(serve.CONNECTIONS + 5)]
    assert get(port, "/health")[0] == 503
    for each in idle:
        each.close()
    deadline = time.monotonic() + 10
    while get(port, "/health")[0] != 200:
        assert time.monotonic() < deadline


def metric(port, name):
    return float(re.search(rf"^{name} (\S+)$", get(port, "/metrics")[1], re.MULTILINE)[1])


def until(port, name, value):
    """Wait until a number of /metrics is there."""
    deadline = time.monotonic() + 20
    while metric(port, name) != value:
        assert time.monotonic() < deadline, f"{name} is {metric(port, name)}, not {value}"


def asking(port, texts, found):
    """A thread that asks, already started; it puts (status, answer) under the first text."""
    thread = threading.Thread(target=lambda: found.update({texts[0]: ask(port, {"texts": texts})}))
    thread.start()
    return thread


def test_requests_that_come_together_are_computed_together_and_not_mixed_up(texts, tmp_path):
    port, found, gate = texts[1], {}, tmp_path / "go"
    before = metric(port, "predict_batch_count")
    threads = [asking(port, [f"until {gate}"], found)]
    until(port, "predict_batch_count", before + 1)
    threads += [asking(port, ["x" * n], found) for n in range(1, 21)]
    until(port, "predict_waiting", 20)
    gate.touch()
    for thread in threads:
        thread.join()
    assert all(found["x" * n][1]["predictions"][0]["probability"] == n for n in range(1, 21))
    assert metric(port, "predict_batch_count") == before + 2


def test_the_time_in_the_model_is_measured_and_not_the_waiting(texts, tmp_path):
    port, found, gate = texts[1], {}, tmp_path / "go"
    names = ("predict_batch_count", "predict_model_seconds_count", "predict_model_seconds_sum", "predict_seconds_sum")
    before = [metric(port, name) for name in names]
    threads = [asking(port, [f"until {gate}"], found)]
    until(port, "predict_batch_count", before[0] + 1)
    threads.append(asking(port, ["b"], found))
    until(port, "predict_waiting", 1)
    time.sleep(0.5)
    gate.touch()
    for thread in threads:
        thread.join()
    batches, timed, in_model, in_all = (metric(port, name) - old for name, old in zip(names, before, strict=True))
    assert batches == timed == 2
    assert 0.5 <= in_model <= in_all - 0.5  # the second waited as long as the first was answered


def test_a_model_that_is_slow_busy_or_fails(texts, tmp_path):
    port, found, gate = texts[1], {}, tmp_path / "go"
    assert ask(port, {"texts": ["raise"]}) == (500, {"error": "The model failed: no"})
    before = metric(port, "predict_batch_count")
    threads = [asking(port, [f"until {gate}"], found)]
    until(port, "predict_batch_count", before + 1)
    threads.append(asking(port, ["b"] * 32, found))
    until(port, "predict_waiting", 32)
    assert ask(port, {"texts": ["c"] * 9}) == (503, {"error": "Too many wait; ask again in a second."})
    assert ask(port, {"texts": ["late"]}) == (504, {"error": "There is no answer after 6 s."})
    gate.touch()
    for thread in threads:
        thread.join()
    assert ask(port, {"texts": ["four"]})[0] == 200


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "0 characters"), ("a" * 20_001, "20,001 characters"), ("\ud800", "half of a surrogate pair")],
)
def test_texts_that_are_none(texts, text, said):
    status, answer = ask(texts[1], {"texts": [text]})
    assert status == 422 and said in answer["error"]


def test_texts_from_a_form(texts):
    body = form("Ünï".encode(), name="text").replace(b'; filename="0.png"', b"")
    assert ask(texts[1], body, FORM)[1]["predictions"][0]["probability"] == 3
    assert ask(texts[1], form(b"a file"), FORM)[0] == 400


def test_two_thousand_broken_requests(pictures):
    process, port = pictures
    valid = [
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s"
        % (sort.encode(), len(body), body)
        for body, sort in (
            (LIGHT, "image/png"),
            (picture("white", 40, "JPEG"), "image/jpeg"),
            (picture("white", 40, "GIF"), "image/gif"),
            (picture("white", 9, "TIFF"), "image/tiff"),
            (picture("white", 40, "WEBP"), "image/webp"),
            (form(LIGHT, DARK), FORM),
            (json.dumps({"pictures": [base64.b64encode(LIGHT).decode()]}).encode(), "application/json"),
        )
    ]
    seen, memory = Counter(), []

    def attack(seed):
        rng = random.Random(seed)
        for _ in range(130):
            request = bytearray(rng.choice(valid))
            head = request.index(b"\r\n\r\n")
            for _ in range(rng.randint(1, 8)):
                place = rng.randrange(head) if rng.random() < 0.1 else rng.randrange(head + 4, len(request))
                request[place] = rng.randrange(256)
            if cut := rng.random() < 0.2:
                del request[rng.randrange(len(request)) :]
            if rng.random() < 0.1:
                request = bytearray(rng.randbytes(rng.randint(1, 5000)) + b"\r\n\r\n")
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.settimeout(20)
                try:
                    client.sendall(request)
                    if cut:
                        client.shutdown(socket.SHUT_WR)
                    answer = client.recv(200)
                except ConnectionError:
                    answer = b""
            seen[answer[9:12].decode() or "closed"] += 1

    for _ in range(2):  # what the first round leaves behind is caches; the second may add little
        threads = [threading.Thread(target=attack, args=(len(memory) * 8 + i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        memory.append(psutil.Process(process.pid).memory_info().rss)
    assert sum(seen.values()) == 2080
    assert {status for status in seen if status.startswith("5")} <= {"503"}, seen
    assert seen["400"] > 200 and seen["422"] > 50 and seen["200"] > 50, seen
    assert memory[1] - memory[0] < 50e6
    assert [row["class"] for row in ask(port, form(LIGHT, DARK), FORM)[1]["predictions"]] == ["light", "dark"]
    assert process.poll() is None


def test_ctrl_c_waits_for_what_was_begun(tmp_path):
    process, port = start(TEXTS)
    found, text = {}, f"until {tmp_path / 'go'}"
    thread = asking(port, [text], found)
    until(port, "predict_batch_count", 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    (tmp_path / "go").touch()
    thread.join()
    assert (found[text][0], process.wait(40), process.stdout.read()) == (200, 0, "")


def test_batches_in_the_order_of_their_coming():
    sizes = []

    async def asked():
        batches = serve.Batches(lambda items: [item * 10 for item in items], size=4, room=8)
        work = asyncio.create_task(batches.run(sizes.append))
        answers = await asyncio.gather(batches.ask([1, 2, 3]), batches.ask([4, 5]))
        with pytest.raises(asyncio.QueueFull):
            await batches.ask(list(range(9)))
        work.cancel()
        return answers

    assert asyncio.run(asked()) == [[10, 20, 30], [40, 50]] and sizes == [4, 1]


def test_what_a_client_gave_up_is_not_computed():
    computed = []

    async def asked():
        batches = serve.Batches(lambda items: computed.extend(items) or items, size=4, room=8)
        gone = asyncio.create_task(batches.ask(["gone"]))
        await asyncio.sleep(0)
        gone.cancel()
        work = asyncio.create_task(batches.run(lambda n: None))
        await batches.ask(["kept"])
        work.cancel()

    asyncio.run(asked())
    assert computed == ["kept"]


def test_a_port_that_is_taken_and_a_folder_without_a_model(capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert re.match(
            f"Nothing can listen at 127.0.0.1, port {port} .*--port 8001", serve.main(["x", "--port", str(port)])
        )
    assert "port 99999" in serve.main(["x", "--port", "99999"])
    assert "written by image_folder.save" in serve.main([str(tmp_path), "--port", "0"])
