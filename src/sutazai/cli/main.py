"""The console script ``sutazai``: names its commands, imports one when it is called.

A command is listed and completed from the table below; ``LazyCommand`` imports its module as soon
as its arguments are to be read. So ``sutazai --version`` and ``sutazai --help`` import no command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from sutazai import __version__
from sutazai.cli.output import exit_codes

FLEET, WORK, FILES, MACHINE = "The fleet", "Work and agents", "Fleet files", "This machine"


@dataclass(frozen=True)
class Listed:
    """A command as the overview shows it. ``module`` holds a Typer called ``attribute``."""

    name: str
    module: str
    panel: str
    summary: str
    attribute: str = "app"


COMMANDS = (
    Listed("up", "up", FLEET, "Start a fleet and wait until it is ready."),
    Listed("down", "down", FLEET, "Stop a fleet and leave nothing behind."),
    Listed("apply", "apply", FLEET, "Move a running fleet to a new fleet file."),
    Listed("rollout", "rollout", FLEET, "See how agents move to a new version; have a say."),
    Listed("rollback", "revisions", FLEET, "Go back to an earlier revision.", "rollback_app"),
    Listed("history", "revisions", FLEET, "List the revisions of the fleet.", "history_app"),
    Listed("diff", "revisions", FLEET, "Show what lies between two revisions.", "diff_app"),
    Listed("status", "status", FLEET, "Show the agents, the LLM and what is wrong."),
    Listed("dashboard", "dashboard", FLEET, "Print a link that logs a browser in."),
    Listed("top", "top_command", FLEET, "Watch a fleet live: who takes what, what is wrong."),
    Listed("drift", "drift", FLEET, "Show what runs otherwise than it is declared."),
    Listed("alerts", "alerts", FLEET, "See what is wrong, acknowledge it, silence it."),
    Listed("events", "events", FLEET, "Show what happened, or follow it."),
    Listed("logs", "logs", FLEET, "Print what agents and our own processes wrote."),
    Listed("export", "export", FLEET, "Write files for Prometheus and Grafana."),
    Listed("pause", "pause", FLEET, "Hold back agents' calls to models, at once.", "pause_app"),
    Listed("resume", "pause", FLEET, "Let agents' calls through again.", "resume_app"),
    Listed("gateway", "gateway_command", FLEET, "Run the gateway alone, or look into its queue."),
    Listed("emergency", "emergency", FLEET, "Free memory, throttle agents, clean up, restart."),
    Listed("checkpoint", "checkpoint", FLEET, "Make a checkpoint of a fleet, or restore one."),
    Listed("chaos", "chaos_command", FLEET, "Break a fleet on purpose, and see what is lost."),
    Listed("run", "run", WORK, "Work through a goal or a backlog: plan, execute, review."),
    Listed("runs", "runs", WORK, "Look at runs, present and past."),
    Listed("workflows", "workflows", WORK, "Look at the workflows of the fleet file."),
    Listed("tasks", "tasks", WORK, "Give durable work to agents, and see what becomes of it."),
    Listed("trace", "trace", WORK, "Show where a task's time went."),
    Listed("schedules", "schedules", WORK, "Look at what is begun by the clock; pause it."),
    Listed("dead", "dead", WORK, "Look at tasks that failed for good, and replay them."),
    Listed("worker", "worker", WORK, "Do durable tasks in one more process."),
    Listed("ask", "ask", WORK, "Ask one agent and see the answer as it is written."),
    Listed("agents", "agents", WORK, "List, show, start, stop and read the logs of agents."),
    Listed("messages", "messages_command", WORK, "See inboxes and dead letters; send a message."),
    Listed("models", "models", WORK, "List models, or pull one from Hugging Face."),
    Listed("check", "files", FILES, "Check a fleet file without starting anything.", "check_app"),
    Listed("init", "files", FILES, "Write a commented fleet file to start from.", "init_app"),
    Listed("import", "import_command", FILES, "Turn a Compose file into a fleet file."),
    Listed("schema", "files", FILES, "Print the JSON Schema of fleet files.", "schema_app"),
    Listed("doctor", "doctor_command", MACHINE, "Say what this machine offers and lacks."),
    Listed("install-service", "service", MACHINE, "Let systemd keep a fleet.", "install_app"),
    Listed("uninstall-service", "service", MACHINE, "Undo install-service.", "uninstall_app"),
)


class LazyCommand(TyperCommand):
    """Stands for a command of another module until its arguments are to be read."""

    listed: Listed

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """The context of the real command, which is imported now."""
        module = import_module(f"sutazai.cli.{self.listed.module}")
        command = get_command(getattr(module, self.listed.attribute))
        command.name = self.listed.name
        return command.make_context(*args, **extra)


def _lazy(listed: Listed) -> LazyCommand:
    command = LazyCommand(listed.name, help=listed.summary, rich_help_panel=listed.panel)
    command.listed = listed
    return command


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sutazai {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
]


def _root(version: VersionOption = False) -> None:
    """Run hundreds of AI agents on one machine that shares one local LLM.

    Start with `sutazai up`, give it work with `sutazai run`, end it with `sutazai down`.
    """


def application() -> TyperGroup:
    """The whole command line, with every command listed and none imported."""
    root = typer.Typer(
        no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
    )
    root.callback()(_root)
    group = get_command(root)
    assert isinstance(group, TyperGroup)  # noqa: S101 (a callback makes it one; for the type)
    for listed in COMMANDS:
        group.add_command(_lazy(listed))
    return group


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit.

    Args:
        arguments: words after the program's name; without them, those of this process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    with exit_codes():
        application().main(args=words, prog_name="sutazai")
