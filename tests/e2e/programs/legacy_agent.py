"""An agent as its author might have written it before SutazAI: the standard library only."""

import json
import os
import signal
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def asked(text):
    body = {"model": "standard", "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        json.dumps(body).encode(),
        {
            "content-type": "application/json",
            "authorization": "Bearer " + os.environ["OPENAI_API_KEY"],
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.say({"status": "healthy"})

    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        if text == "crash":
            os._exit(7)
        self.say({"output": {"text": asked(text), "pid": os.getpid(), "in": sys.prefix}})

    def say(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def end(number, frame):
    print("asked to end", flush=True)
    os._exit(0)


signal.signal(signal.SIGTERM, end)
print("listening", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
