"""`make demo`: what f7tfs does, shown with real commands on a cluster that is pretended on this machine.

Exits non-zero when any command does not do what it should, and takes away all that it made, also on Ctrl-C.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from f7tfs.cli.progress import waiting
from f7tfs.sandbox.process import SandboxProcess

MEGABYTES = 60
JOB_SECONDS = 60.0
COMMAND_SECONDS = 120.0
BOLD, GREEN, DIM, PLAIN = ("\033[1m", "\033[32m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 4

JOB = """\
#!/bin/bash
#SBATCH --job-name=count
echo "counting the lines of the notes in $PWD"
sleep 1
wc -l < notes.txt | tee lines.txt
"""


class Failed(Exception):
    """A command did not do what the story says."""


class Story:
    """Runs commands as a person would type them, in a directory of the story's own."""

    def __init__(self, directory: Path, sandbox: SandboxProcess) -> None:
        self._directory = directory
        info = sandbox.info
        commands = Path(sys.executable).parent
        self._environment = {
            **os.environ,
            "PATH": f"{commands}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(directory),
            "XDG_STATE_HOME": str(directory / ".state"),
            "XDG_CONFIG_HOME": str(directory / ".config"),
            **info.variables(),
        }
        self._environment.pop("FIRECREST_TOKEN_COMMAND", None)

    def tell(self, text: str) -> None:
        print(f"\n{BOLD}{text}{PLAIN}", flush=True)

    def run(self, command: str, wanted: str | None = None) -> str:
        """Show a command, run it and show its output, in which `wanted` must be."""
        print(f"{GREEN}$ {command}{PLAIN}", flush=True)
        begun = time.monotonic()
        with waiting(f"{command.splitlines()[0]} …"):
            done = self._quiet(command)
        print(done.stdout, end="")
        seconds = time.monotonic() - begun
        if seconds >= 0.5:
            print(f"{DIM}  ({seconds:.1f} s){PLAIN}", flush=True)
        if done.returncode != 0:
            raise Failed(f"it ended with status {done.returncode}: {command}")
        if wanted is not None and wanted not in done.stdout:
            raise Failed(f"{wanted!r} is not in the output of: {command}")
        return done.stdout

    def wait_for_job(self, status: Path) -> None:
        """Look at a job until it has ended."""
        print(f"{GREEN}$ cat {shlex.quote(str(status))}{PLAIN}   # again and again, until it has ended", flush=True)
        end, shown = time.monotonic() + JOB_SECONDS, ""
        while not shown.startswith("COMPLETED"):
            if time.monotonic() > end:
                raise Failed(f"the job did not complete within {JOB_SECONDS:.0f} s")
            now = (self._directory / status).read_text()
            if now.split("\t")[0] != shown.split("\t")[0]:
                print(now, end="", flush=True)
            shown = now
            time.sleep(0.2)

    def clean_up(self) -> None:
        """Whatever state the story is in, nothing is mounted after this."""
        self._quiet("mountpoint -q cluster && { f7tfs umount --wait 5 cluster || f7tfs umount --lazy cluster; }")

    def _quiet(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )


def tell(story: Story, sandbox: SandboxProcess) -> None:
    """The story itself."""
    mount(story)
    files(story)
    large_files(story, sandbox)
    batch_job(story)
    calls(story, sandbox)
    story.tell("Unmounting waits until the cluster has everything.")
    story.run("f7tfs umount cluster")
    story.run("ls -A cluster | wc -l", wanted="0")


def mount(story: Story) -> None:
    story.tell(
        "A FirecREST server with a cluster of its own runs on this machine now, and variables tell where. "
        "Mount the home directory there:"
    )
    # The secret is one of this run only, and yet no example to follow.
    story.run("env | grep -E '^(FIRECREST_|AUTH_TOKEN_URL)' | sed 's/\\(SECRET=\\).*/\\1…/'", wanted="FIRECREST_URL=")
    story.run("mkdir cluster")
    story.run("f7tfs mount cluster: cluster", wanted="is mounted")
    story.run("ls -la cluster")


def files(story: Story) -> None:
    story.tell("It is a directory. Copy a file in, look at it, edit it, copy it out:")
    story.run("printf 'first line\\nsecond line\\n' > notes.txt")
    story.run("cp notes.txt cluster/")
    story.run("cat cluster/notes.txt", wanted="second line")
    story.run("sed -i 's/second/another/' cluster/notes.txt")
    story.run("echo 'third line' >> cluster/notes.txt")
    story.run("cp cluster/notes.txt copy.txt && cat copy.txt", wanted="another line\nthird line")
    story.run("mkdir -p cluster/project/old && mv cluster/notes.txt cluster/project/ && rmdir cluster/project/old")
    story.run("cp copy.txt cluster/unwanted && rm cluster/unwanted")
    story.run("ls -la cluster/project", wanted="notes.txt")


def large_files(story: Story, sandbox: SandboxProcess) -> None:
    size = MEGABYTES * 2**20
    story.tell(f"{MEGABYTES} MB, far above what one call may carry, goes through object storage by itself:")
    story.run(f"head -c {size} /dev/urandom > large.bin")
    here = story.run("sha256sum < large.bin").split()[0]
    story.run("cp large.bin cluster/project/")
    story.run("f7tfs sync cluster")
    there = sandbox.home / "project" / "large.bin"
    story.tell("What arrived on the cluster's own disk:")
    story.run(f"sha256sum < {shlex.quote(str(there))}", wanted=here)
    story.tell("And out, a file that the cluster wrote:")
    made = sandbox.home / "project" / "result.bin"
    with made.open("wb") as file:
        file.write(os.urandom(size))
    story.run("f7tfs refresh cluster/project")
    story.run("cp cluster/project/result.bin .")
    out = story.run("sha256sum < result.bin").split()[0]
    story.run(f"sha256sum < {shlex.quote(str(made))}", wanted=out)


def batch_job(story: Story) -> None:
    story.tell("A batch script that is dropped into .jobs is submitted to the scheduler, in that directory:")
    story.run(f"cat > count.sh <<'END'\n{JOB}END")
    story.run("cp count.sh cluster/project/.jobs/")
    story.run("ls -l cluster/project/.jobs", wanted="last -> ")
    story.wait_for_job(Path("cluster/project/.jobs/last/status"))
    story.run("cat cluster/project/.jobs/last/stdout", wanted="counting the lines")
    story.run("f7tfs refresh cluster/project && cat cluster/project/lines.txt", wanted="3")


def calls(story: Story, sandbox: SandboxProcess) -> None:
    story.tell("All of this in so many calls of the API, counted by the server:")
    counted = sorted(sandbox.calls().items(), key=lambda item: -item[1])
    for call, number in counted:
        print(f"{number:5}  {call}")
    print(f"{sum(number for _, number in counted):5}  in all")
    story.run("f7tfs status cluster", wanted="cluster:/home")


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="f7tfs-demo-") as name:
        directory = Path(name)
        (directory / "sandbox").mkdir()
        with SandboxProcess(directory / "sandbox") as sandbox:
            story = Story(directory, sandbox)
            try:
                tell(story, sandbox)
            except Failed as failure:
                print(f"\nthe demonstration FAILED: {failure}", file=sys.stderr)
                for log in (directory / ".state").rglob("*.log"):
                    print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
                return 1
            finally:
                story.clean_up()
    print(
        f"\n{BOLD}It works. A real cluster is mounted in the same way:{PLAIN}\n"
        "  export FIRECREST_URL=https://api.your-site.example/firecrest/v2\n"
        "  export AUTH_TOKEN_URL=https://auth.your-site.example/…/token\n"
        "  export FIRECREST_CLIENT_ID=… FIRECREST_CLIENT_SECRET=…\n"
        "  mkdir -p ~/cluster\n"
        "  .venv/bin/f7tfs mount SYSTEM:/path ~/cluster\n"
        "  .venv/bin/f7tfs umount ~/cluster"
    )
    return 0


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: it reaches the sandbox too, which then ends otherwise than asked."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or was_interrupted(error.__context__))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, RuntimeError) as error:
        if not was_interrupted(error):
            raise
        print("\ninterrupted; everything is taken away again", file=sys.stderr)
        sys.exit(130)
