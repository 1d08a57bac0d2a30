"""The same no-op by Celery or RQ: ``PYTHON peers.py celery|rq PORT COUNT``, with the peers' Python.

Prints tasks a second, from the first submit to the last end. One worker, as it comes, with Redis;
Celery runs as many processes as there are cores, RQ one task after the other.
"""

import os
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
KIND, PORT, COUNT = (*sys.argv[1:], "", "")[:3] if __name__ == "__main__" else ("", "", "")
URL = f"redis://127.0.0.1:{PORT or os.environ.get('PEERS_PORT', '')}/0"


def echo(number):
    return {"n": number}


def celery_app():
    from celery import Celery

    app = Celery("peers", broker=URL, backend=URL)
    app.conf.broker_connection_retry_on_startup = True
    app.task(name="echo")(echo)
    return app


def by_celery(count):
    app = celery_app()
    command = ["-m", "celery", "-A", "peers:app", "worker", "--loglevel", "ERROR", "-n", "bench"]
    with worker(command):
        app.send_task("echo", [0]).get(timeout=60)
        began = time.perf_counter()
        for result in [app.send_task("echo", [number]) for number in range(count)]:
            result.get(timeout=120)
        return count / (time.perf_counter() - began)


def by_rq(count):
    import redis
    import rq

    queue = rq.Queue(connection=redis.Redis.from_url(URL))
    with worker(["-m", "rq.cli", "worker", "--url", URL, "--quiet"]):
        ended(queue.enqueue("peers.echo", 0))
        began = time.perf_counter()
        for job in [queue.enqueue("peers.echo", number) for number in range(count)]:
            ended(job)
        return count / (time.perf_counter() - began)


def ended(job):
    until = time.monotonic() + 120
    while not job.is_finished:
        if time.monotonic() > until or job.is_failed:
            raise SystemExit(f"the job is {job.get_status()}")
        time.sleep(0.005)


class worker:  # noqa: N801 (a context manager that reads as a function)
    def __init__(self, command):
        environment = {**os.environ, "PYTHONPATH": FOLDER, "PEERS_PORT": PORT}
        self.process = subprocess.Popen([sys.executable, *command], env=environment, cwd=FOLDER)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


if __name__ == "__main__":
    print({"celery": by_celery, "rq": by_rq}[KIND](int(COUNT)))
elif os.environ.get("PEERS_PORT"):
    try:
        app = celery_app()
    except ImportError:
        app = None
