"""An agent of the old system, as it was: the four calls, and nothing of SutazAI."""

import os
import time
from typing import Any

import requests

BACKEND = os.environ["BACKEND_URL"]
NAME = os.environ["AGENT_NAME"]
TYPE = os.environ["AGENT_TYPE"]
BEAT = 1.0


def accepted(path: str, body: dict[str, Any]) -> bool:
    body = {"agent_name": NAME, "timestamp": time.time(), **body}
    return requests.post(BACKEND + path, json=body, timeout=60).status_code == 200


def register() -> bool:
    return accepted(
        "/api/agents/register",
        {
            "agent_type": TYPE,
            "agent_version": "1.0.0",
            "capabilities": ["code"],
            "status": "active",
            "model": "tinyllama",
            "max_concurrent_tasks": 1,
        },
    )


def process_task(task: dict[str, Any]) -> dict[str, Any]:
    time.sleep(task.get("seconds", 0.05))
    while not os.path.exists(task.get("until", "/")):
        time.sleep(0.05)
    if task["input"] == "think":
        body: dict[str, Any] = {
            "model": "standard",
            "prompt": "Say hello.",
            "stream": False,
            "options": {"num_predict": 8},
        }
        answer = requests.post(
            os.environ["OLLAMA_BASE_URL"] + "/api/generate", json=body, timeout=60
        )
        return {"status": "success", "thought": answer.json()["response"]}
    return {"status": "success", "number": task["number"]}


def work(task: dict[str, Any]) -> None:
    began = time.time()
    print("began", task["id"], flush=True)
    report: dict[str, Any] = {
        "task_id": task["id"],
        "status": "completed",
        "result": None,
        "error": None,
    }
    try:
        report["result"] = process_task(task)
    except Exception as error:  # noqa: BLE001 (as old agents do)
        report |= {"status": "failed", "error": str(error)}
    report["processing_time"] = time.time() - began
    print("completed", task["id"], accepted("/api/tasks/complete", report), flush=True)


def main() -> None:
    while requests.get(BACKEND + "/health", timeout=60).status_code != 200:
        time.sleep(0.5)
    while not register():
        time.sleep(0.5)
    print("registered", flush=True)
    beaten, done = 0.0, 0
    while True:
        if time.time() - beaten > BEAT:
            accepted("/api/agents/heartbeat", {"status": "active", "tasks_processed": done})
            beaten = time.time()
        answer = requests.get(f"{BACKEND}/api/tasks/next/{TYPE}", timeout=60)
        if answer.status_code == 200:
            work(answer.json())
            done += 1
        else:
            time.sleep(0.1)


main()
