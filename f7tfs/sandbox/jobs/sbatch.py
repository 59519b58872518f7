"""Reading a batch script as sbatch does: pure functions."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from f7tfs.sandbox.jobs.model import SlurmRefused

NOT_A_SCRIPT = (
    "sbatch: error: This does not look like a batch script.  The first\n"
    "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
    "sbatch: error: For instance: #!/bin/sh\n"
)
SHORT = {
    "-J": "job-name",
    "-o": "output",
    "-e": "error",
    "-i": "input",
    "-D": "chdir",
    "-t": "time",
    "-A": "account",
    "-p": "partition",
    "-N": "nodes",
    "-n": "ntasks",
    "-c": "cpus-per-task",
    "-C": "constraint",
}
WITHOUT_VALUE = {"exclusive", "requeue", "no-requeue", "parsable", "quiet", "verbose", "hold"}
KNOWN = {
    *SHORT.values(),
    *WITHOUT_VALUE,
    "array",
    "begin",
    "dependency",
    "export",
    "gpus",
    "gres",
    "hint",
    "mail-type",
    "mail-user",
    "mem",
    "mem-per-cpu",
    "ntasks-per-core",
    "ntasks-per-node",
    "open-mode",
    "qos",
    "reservation",
    "signal",
    "uenv",
    "view",
}


@dataclass(frozen=True, slots=True)
class Directives:
    """The options of the `#SBATCH` lines of a script, by their long names."""

    options: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        return self.options.get(name)


def parse_script(script: str) -> Directives:
    """The directives before the first command. Raises SlurmRefused in sbatch's words."""
    if not script.startswith("#!"):
        raise SlurmRefused(1, NOT_A_SCRIPT)
    options: dict[str, str] = {}
    for line in script.splitlines():
        if line.startswith("#SBATCH"):
            options.update(_parse_line(line.removeprefix("#SBATCH")))
        elif line.strip() and not line.startswith("#"):
            break
    return Directives(options)


def _parse_line(text: str) -> dict[str, str]:
    words = shlex.split(text, comments=True)
    options: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word[:2] in SHORT and not word.startswith("--"):
            name, value = SHORT[word[:2]], word[2:]
            equals = "=" if value else ""
        else:
            name = name.removeprefix("--")
        if name not in KNOWN:
            text = f"sbatch: unrecognized option '{word}'\nTry \"sbatch --help\" for more information\n"
            raise SlurmRefused(1, text)
        if not equals and name not in WITHOUT_VALUE:
            value = words.pop(0) if words else ""
        options[name] = value
    return options


TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


def parse_time(text: str) -> float:
    """Seconds of a time limit: minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS. Raises SlurmRefused."""
    match = TIME.fullmatch(text.strip())
    if match is None:
        raise SlurmRefused(1, "sbatch: error: Invalid --time specification\n")
    days, *rest = match.groups()
    numbers = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return ((int(days) * 24 + hours) * 60 + minutes) * 60 + seconds
    if len(numbers) == 3:
        return (numbers[0] * 60 + numbers[1]) * 60 + numbers[2]
    return numbers[0] * 60 + (numbers[1] if len(numbers) > 1 else 0)


def file_name(pattern: str, directory: str, job_id: str, name: str, user: str) -> str:
    """An output file's path from its pattern: `%j` and its like replaced, relative to the working directory."""
    values = {"j": job_id, "A": job_id, "J": job_id, "x": name, "u": user, "N": "localhost", "%": "%"}
    path = re.sub(r"%(\d*)([jAJxuN%])", lambda match: values[match[2]].rjust(int(match[1] or 0), "0"), pattern)
    return path if path.startswith("/") else f"{directory.rstrip('/')}/{path}"


def exported(environment: dict[str, str]) -> dict[str, str]:
    """What reaches the job of `--export=ALL,K=V,...`: a comma in a value ends it."""
    return {name: value.partition(",")[0] for name, value in environment.items()}
