"""docs/serving.md: the files for a proxy and for Kubernetes agree with the service; the proxy does what it says."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from ownfiles import serve

DOCS = Path(__file__).resolve().parents[1] / "docs"
CONF = DOCS / "serving.nginx.conf"
NGINX = os.environ.get("NGINX") or shutil.which("nginx")
VALIDATE = shutil.which("kubernetes-validate")
SERVICE = """
import sys, time
import numpy as np
from ownfiles import serve
def answer(texts):
    time.sleep(0.01)
    return np.array([[len(text), 0.0] for text in texts])
serve.load = lambda folder: serve.Model("texts", ["long", "none"], serve.text, answer, "a")
serve.run(["nowhere", "--port", "0"])
"""


def test_the_files_for_kubernetes_name_what_the_service_has():
    found = {one["kind"]: one for one in yaml.safe_load_all((DOCS / "serving.yaml").read_text())}
    deployment, pod = found["Deployment"]["spec"], found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    labels = deployment["template"]["metadata"]["labels"]
    for selector in (
        deployment["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ):
        assert selector == labels
    python, *arguments = container["command"]
    assert python.endswith("python") and arguments[:2] == ["-m", "ownfiles.serve"] and "--host" in arguments
    assert int(arguments[arguments.index("--port") + 1]) == container["ports"][0]["containerPort"]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    paths = {route.path for route in serve.application(serve.Model("texts", ["a"], None, None, None)).routes}
    assert all(probe == {"path": "/health", "port": "http"} for probe in probes) and "/health" in paths
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > waits + serve.ANSWERING
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounted == {"model": arguments[2], "scratch": "/tmp"} and {one["name"] for one in pod["volumes"]} == {
        *mounted
    }
    scaled = found["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"] and "replicas" not in deployment
    assert "cpu" in container["resources"]["requests"], "the autoscaler divides by what is requested"


@pytest.mark.skipif(not VALIDATE, reason="kubernetes-validate is not installed")
@pytest.mark.parametrize("name", ["serving.yaml", "cluster.yaml"])
def test_the_schema_of_the_api(name):
    done = subprocess.run([VALIDATE, "--strict", DOCS / name], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_proxy_lets_through_what_the_service_takes_and_waits_longer():
    conf = CONF.read_text()
    megabytes = int(re.search(r"client_max_body_size (\d+)m;", conf)[1])
    assert serve.BYTES <= megabytes * 2**20 < 1.1 * serve.BYTES
    assert int(re.search(r"proxy_read_timeout (\d+)s;", conf)[1]) > serve.ARRIVING + serve.ANSWERING
    assert int(re.search(r"client_body_timeout (\d+)s;", conf)[1]) == serve.ARRIVING
    assert re.search(r"proxy_set_header Host (\w+);", conf)[1] == "localhost"
    assert set(re.findall(r"(?:listen|server) (127\.0\.0\.1):\d+", conf)) == {"127.0.0.1"}


def ask(port, text="four"):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", "/predict", json.dumps({"texts": [text]}), {"content-type": "application/json"})
    answer = client.getresponse()
    content = answer.read()
    client.close()
    return answer.status, content


def served(port):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("GET", "/metrics")
    found = re.search(r'predict_requests_total\{status="200"\} (\S+)', client.getresponse().read().decode())
    return float(found[1]) if found else 0.0


@pytest.fixture
def cluster(tmp_path):
    """(two processes of the service, their ports, nginx' port)."""
    processes, ports = [], []
    for _ in range(2):
        processes.append(subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True))
    for process in processes:
        found = (re.search(r"http://127\.0\.0\.1:(\d+)/", line) for line in process.stdout)
        ports.append(int(next(match for match in found if match)[1]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    conf = CONF.read_text()
    for written, real in ((8001, ports[0]), (8002, ports[1]), (8000, port)):
        conf = conf.replace(f"127.0.0.1:{written}", f"127.0.0.1:{real}")
    (tmp_path / "nginx.conf").write_text(conf)
    proxy = subprocess.Popen([NGINX, "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"])
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield processes, ports, port
    for process in (proxy, *processes):
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(not NGINX, reason="nginx is not installed, and the variable NGINX names none")
def test_two_processes_behind_nginx_and_one_of_them_killed(cluster):
    processes, ports, port = cluster
    statuses, half = Counter(), threading.Event()

    def client():
        for k in range(40):
            statuses[ask(port)[0]] += 1
            if k == 15:
                half.set()

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert half.wait(60)
    shares = [served(each) for each in ports]
    processes[0].kill()
    for thread in threads:
        thread.join()
    assert statuses == {200: 320}, statuses
    assert min(shares) > 0.3 * sum(shares), shares
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", "/predict", b"", {"content-type": "image/png", "content-length": "9000000"})
    assert client.getresponse().status == 413
