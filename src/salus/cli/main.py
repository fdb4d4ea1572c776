"""``salus``: the command group. Command modules are imported only when one of their commands is used."""

from __future__ import annotations

import importlib
import os
import sys

import click

from salus import __version__
from salus.errors import SalusError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("salus.cli.demo:demo", "Show the whole way on bundled example patients."),
    "tour": ("salus.cli.tour.command:tour", "Run one true slice of every department."),
    "init": ("salus.cli.house:init", "Make a store and its keys."),
    "actor": ("salus.cli.house:actor", "Who may act: add, list, remove."),
    "intake": ("salus.cli.record:intake", "Take files or folders into the record."),
    "alerts": ("salus.cli.live:alerts", "Alerts of live monitoring: list, acknowledge; devices: assign, release."),
    "listen": ("salus.cli.live:listen", "Take in what is sent: HL7 v2 messages over MLLP, readings of devices."),
    "findings": ("salus.cli.record:findings", "Draw findings from a patient's record."),
    "plan": ("salus.cli.record:plan", "Compose a patient's care plan."),
    "explain": ("salus.cli.record:explain", "Walk from a plan item to its sources."),
    "ask": ("salus.cli.ask:ask", "Ask about a record; draft a letter; book an appointment."),
    "learn": ("salus.cli.ask:learn", "Index a library of questions and answers for the assistant."),
    "slots": ("salus.cli.ask:slots", "Offer free times for booking."),
    "mcp": ("salus.cli.ask:mcp", "Serve reading tools over MCP."),
    "patients": ("salus.cli.record:patients", "List the patients released to you."),
    "consent": ("salus.cli.consent:consent", "Give, list and revoke the patient's consent."),
    "questionnaire": ("salus.cli.answers:questionnaire", "Questions to the patient, and the answers."),
    "diary": ("salus.cli.answers:diary", "Add an entry to the patient's diary."),
    "population": ("salus.cli.population:population", "Questions to many records at once."),
    "trials": ("salus.cli.trials:trials", "Design a trial, match its criteria, seal its documents."),
    "witness": ("salus.cli.witness:witness", "Cosign the checkpoints of other people's logs."),
    "keys": ("salus.cli.keys:keys", "Who holds the master key; wrap all keys anew."),
    "audit": ("salus.cli.audit:audit", "Who looked, kept for the auditor, also of erased records."),
    "glass": ("salus.cli.glass:glass", "Open one record in an emergency; review it afterwards."),
    "proposals": ("salus.cli.proposals:proposals", "What waits for a second person, or for its time."),
    "privacy": ("salus.cli.privacy:privacy", "Release data without identifiers; erase who asks for it."),
    "policy": ("salus.cli.house:policy", "Organisation-signed bases of access: sign, add, list, remove."),
    "serve": ("salus.cli.serve:serve", "Serve FHIR, CDS Hooks and the pages over HTTP."),
    "token": ("salus.cli.serve:token", "Sign an assertion with which a server lets you in."),
    "terminology": ("salus.cli.terminology:terminology", "What codes and words mean; load your own releases."),
    "methods": ("salus.cli.house:methods", "List the methods; allow a stranger's package."),
    "log": ("salus.cli.log:log", "The tamper-evident log: who looked, checkpoints."),
    "anchor": ("salus.cli.anchor:anchor", "Anchor the log's checkpoints in a blockchain."),
    "quarantine": ("salus.cli.quarantine:quarantine", "What could not be taken in: list, file, release."),
    "verify": ("salus.cli.house:verify", "Hold everything stored against the log."),
    "backup": ("salus.cli.house:backup", "Write a consistent copy of the store."),
    "imaging": ("salus.cli.imaging:imaging", "Raw imaging data, for research."),
    "surgery": ("salus.cli.surgery:surgery", "Label volumes: models for AR, safe paths; simulation only."),
    "discovery": ("salus.cli.discovery:discovery", "Molecules and safety signals, for research."),
    "operations": ("salus.cli.operations:operations", "Plan rooms, theatres and nurses; forecast demand."),
    "move": ("salus.cli.moving:move", "Move the store into a PostgreSQL database, or back into its file."),
    "restore": ("salus.cli.house:restore", "Put a backup in place of a missing store."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports them when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of a first visit."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands with their one-line help, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="salus")
@click.option(
    "--config", type=click.Path(dir_okay=False), help="Settings file (default: ./salus.toml if there is one)."
)
@click.pass_context
def cli(ctx: click.Context, config: str | None) -> None:
    """Everything known about one person in one record, and one personal care plan drawn from it.

    salus is not a medical device: it makes proposals for a health professional, who decides.
    """
    ctx.obj = {"config": config}


def main() -> None:
    """Run the command line. An explained failure is one line on standard error and exit status 1."""
    os.umask(os.umask(0) | 0o077)  # whatever salus writes is its owner's alone, SQLite's own files too
    try:
        sys.exit(cli.main(prog_name="salus", standalone_mode=False))  # click returns the exit status
    except SalusError as error:
        click.echo(f"salus: {error}", err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("salus: stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.strerror is None:  # not from the operating system: a defect, to be seen in full
            raise
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"salus: {place}{error.strerror}", err=True)
        sys.exit(1)
