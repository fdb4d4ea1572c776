"""Nothing that a user can name stays undocumented, and no document names what is not there."""

import re
from pathlib import Path

import click
import pytest

from salus.app.config import SETTINGS
from salus.cli.main import COMMANDS, cli
from salus.findings.method import Method
from salus.findings.registry import GROUP, runnable

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")


def commands(prefix="salus", group=cli):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(f"{prefix} {name}", command)
        else:
            yield f"{prefix} {name}", command


def test_every_command_and_option_is_documented():
    for name, command in commands():
        line = next((row for row in REFERENCE.splitlines() if row.startswith((f"| `{name} ", f"| `{name}`"))), None)
        assert line, f"{name} is not in docs/reference.md"
        for option in (p for p in command.params if isinstance(p, click.Option)):
            assert option.opts[0] in ("--as", "--at") or f"`{option.opts[0]}`" in line, f"{name} {option.opts[0]}"


def test_the_help_page_lists_what_there_is():
    assert set(COMMANDS) == set(cli.list_commands(click.Context(cli)))
    for name, (_, text) in COMMANDS.items():
        assert cli.get_command(click.Context(cli), name) is not None
        assert text.endswith(".")


def test_every_setting_method_and_hook_is_documented():
    for setting in SETTINGS:
        assert f"| `{setting.name}` | `{setting.variable}` |" in REFERENCE
    for method in runnable({})[0]:
        assert f"`{method.id}`" in REFERENCE
        for code in method.produces:
            assert f"`{code}`" in REFERENCE
    assert GROUP in REFERENCE
    guide = (ROOT / "docs" / "add-a-method.md").read_text("utf-8")
    for attribute in Method.__annotations__:
        assert f"`{attribute}`" in guide


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_documents_name_only_commands_and_files_that_exist(page):
    text = page.read_text("utf-8")
    known = {name for name, _ in commands()} | {f"salus {name}" for name in COMMANDS}
    for match in re.findall(r"^ {4}(salus (?!-)[a-z]+(?: [a-z]+)?)", text, re.M):
        assert match in known or " ".join(match.split()[:2]) in known, match
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_example_method_is_as_short_as_the_guide_says():
    code = (ROOT / "examples" / "method" / "pulse_pressure.py").read_text("utf-8")
    assert len(code.splitlines()) <= 30
