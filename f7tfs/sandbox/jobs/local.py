"""A scheduler of one node without end: every job starts after a short while, as a process of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

import trio

from f7tfs.sandbox.background import go_on
from f7tfs.sandbox.jobs import isolation
from f7tfs.sandbox.jobs.model import BatchRequest, JobOutput, JobRecord, SlurmRefused, UnknownJob, Work
from f7tfs.sandbox.jobs.sbatch import exported, file_name, parse_script, parse_time
from f7tfs.sandbox.jobs.spool import Spool
from f7tfs.sandbox.root import Root
from f7tfs.sandbox.settings import SandboxSettings

CANNOT_START = 53
"""The signal field of a job whose working directory or output cannot be opened."""
NO_ARRAYS = (
    "sbatch: error: Batch job submission failed: Job array specification not supported by this pretended scheduler; "
    "f7tfs sandbox --scheduler slurm has arrays\n"
)
KILL_AFTER_SECONDS = 2.0
HELD_POLL_SECONDS = 0.05


class LocalScheduler:
    """Implements `model.Scheduler`."""

    def __init__(
        self,
        settings: SandboxSettings,
        root: Root,
        nursery: trio.Nursery,
        held: Callable[[], bool],
        fate: Callable[[], str],
    ) -> None:
        """`held` tells whether jobs are to stay PENDING, `fate` the state that the next one ends in at once."""
        self._settings = settings
        self._root = root
        self._nursery = nursery
        self._held = held
        self._fate = fate
        self._jobs: dict[str, JobRecord] = {}
        self._scopes: dict[str, trio.CancelScope] = {}
        self._spool = Spool(root.directory)
        self._isolated: bool | None = None if settings.isolate_jobs else False

    async def start(self) -> None:
        """Nothing to be made ready."""

    def close(self) -> None:
        """Its jobs end with the nursery."""

    # -- submitting ------------------------------------------------------------------------------

    async def submit(self, request: BatchRequest, work: Work | None = None) -> str:
        options = parse_script(request.script)
        if options.get("array") is not None:
            raise SlurmRefused(1, NO_ARRAYS)
        partition = request.partition or options.get("partition") or self._settings.partitions[0]
        if partition not in self._settings.partitions:
            raise SlurmRefused(
                1,
                f"sbatch: error: invalid partition specified: {partition}\n"
                "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
            )
        wanted = options.get("time")
        limit = request.seconds or (parse_time(wanted) if wanted else self._settings.max_job_seconds)
        name = request.name or options.get("job-name") or (request.script_path or "sbatch").rsplit("/", 1)[-1]
        job_id = self._spool.next_id()
        directory = request.directory if work else options.get("chdir") or request.directory
        output = request.output or options.get("output") or "slurm-%j.out"
        error = request.error or options.get("error") or output
        user = self._settings.user
        job = JobRecord(
            job_id=job_id,
            name=name,
            request=request,
            account=request.account or options.get("account") or self._settings.accounts[0],
            partition=partition,
            limit=limit,
            output=file_name(output, directory, job_id, name, user),
            error=file_name(error, directory, job_id, name, user),
            submitted=time.time(),
        )
        self._jobs[job_id] = job
        go_on(self._nursery, self._run, job, directory, work)
        return job_id

    # -- looking ---------------------------------------------------------------------------------

    async def find(self, job_id: str) -> list[JobRecord]:
        try:
            return [self._jobs[job_id]]
        except KeyError:
            raise UnknownJob(job_id) from None

    async def jobs(self) -> list[JobRecord]:
        return list(self._jobs.values())

    # -- changing --------------------------------------------------------------------------------

    async def cancel(self, job_id: str) -> str:
        job = self._jobs.get(job_id)
        if job is None:
            raise SlurmRefused(1, f"scancel: error: Kill job error on job id {job_id}: Invalid job id specified\n")
        said = f"scancel: Terminating job {job_id}"
        if not job.active:
            why = "Job/step already completing or completed"
            raise SlurmRefused(0, f"{said}\nscancel: error: Kill job error on job id {job_id}: {why}\n")
        job.state = f"CANCELLED by {self._settings.uid}"
        scope = self._scopes.get(job_id)
        if scope is not None:
            scope.cancel()
        return said

    async def attach(self, job_id: str, command: str) -> None:
        job = self._jobs.get(job_id)
        if job is None or job.state != "RUNNING":
            raise SlurmRefused(
                1,
                f"srun: error: Unable to confirm allocation for job {job_id}: Invalid job id specified\n"
                f"srun: Check SLURM_JOBID environment variable. Expired or invalid job {job_id}\n",
            )
        directory = job.request.directory
        words, where = await self._command(directory, ["/bin/bash", "-c", command])
        done = await trio.run_process(
            words,
            check=False,
            capture_stdout=True,
            capture_stderr=True,
            cwd=where,
            env=self._environment(job, directory),
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace")
            code = done.returncode
            raise SlurmRefused(code, f"{said}srun: error: localhost: task 0: Exited with exit code {code}\n")

    # -- running ---------------------------------------------------------------------------------

    async def _run(self, job: JobRecord, directory: str, work: Work | None) -> None:
        with trio.CancelScope() as scope:
            self._scopes[job.job_id] = scope
            await trio.sleep(self._settings.job_start_seconds)
            while self._held():  # noqa: ASYNC110 - faults are replaced as a whole; nobody would set an event
                await trio.sleep(HELD_POLL_SECONDS)
            job.started = time.time()
            job.state = job.step_state = "RUNNING"
            with trio.move_on_after(job.limit) as limit:
                if work is not None:
                    await self._run_work(job, work)
                elif fate := self._fate():
                    job.state, job.step_state, job.exit_code = fate, "CANCELLED", 1
                else:
                    await self._run_process(job, directory)
            if limit.cancelled_caught and not scope.cancel_called:
                job.state, job.step_state, job.signal = "TIMEOUT", "CANCELLED", 15
        del self._scopes[job.job_id]
        job.ended = time.time()
        if job.state.startswith("CANCELLED"):
            job.step_state = "CANCELLED" if job.started else ""
        elif job.state == "RUNNING":
            good = not job.exit_code and not job.signal
            job.state = "COMPLETED" if good else "FAILED"
            job.step_state = "CANCELLED" if job.signal else job.state

    async def _run_work(self, job: JobRecord, work: Work) -> None:
        output = JobOutput()
        try:
            job.exit_code = await work(output)
        finally:
            for path, lines in ((job.output, output.out), (job.error, output.err)):
                with contextlib.suppress(OSError):
                    fd = self._root.open_write(path)
                    with os.fdopen(fd, "wb") as log:
                        log.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))

    async def _run_process(self, job: JobRecord, directory: str) -> None:
        script = self._spool.write_script(job.job_id, job.request.script)
        try:
            with self._opened(job) as (source, out, err):
                self._root.real_path(directory)
                words, where = await self._command(directory, [str(script)])
                process = await trio.lowlevel.open_process(
                    words,
                    stdin=source,
                    stdout=out,
                    stderr=err,
                    cwd=where,
                    env=self._environment(job, directory),
                    start_new_session=True,
                )
        except OSError:
            job.signal = CANNOT_START
            script.unlink()
            return
        self._spool.started(process.pid)
        try:
            status = await process.wait()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await _end_group(process)
            raise
        finally:
            self._spool.ended(process.pid)
            script.unlink(missing_ok=True)
        job.exit_code, job.signal = max(0, status), max(0, -status)

    @contextlib.contextmanager
    def _opened(self, job: JobRecord) -> Iterator[tuple[int, int, int]]:
        """Descriptors for the job's standard input, output and error."""
        with contextlib.ExitStack() as stack:

            def kept(fd: int) -> int:
                stack.callback(os.close, fd)
                return fd

            given = job.request.input
            source = kept(
                self._root.open_read(given)
                if given and given != "/dev/null"
                else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            )
            out = kept(self._root.open_write(job.output))
            err = out if job.error == job.output else kept(self._root.open_write(job.error))
            for fd in {out, err}:
                os.set_blocking(fd, True)
            yield source, out, err

    async def _command(self, directory: str, job: list[str]) -> tuple[list[str], str]:
        """The words to run, and the directory of this machine to run them in."""
        tops = sorted({f.path.strip("/").split("/")[0] for f in self._settings.file_systems})
        mount_point = self._spool.mount_point
        if self._isolated is None:
            self._isolated = await trio.to_thread.run_sync(isolation.works, self._root.directory, tops, mount_point)
        if self._isolated:
            job = [word.replace(f"{mount_point.parent}/scripts", isolation.SCRIPTS, 1) for word in job]
            return isolation.command(self._root.directory, tops, mount_point, directory, job), "/"
        return job, str(self._root.real_path(directory))

    def _environment(self, job: JobRecord, directory: str) -> dict[str, str]:
        """A login's environment and Slurm's variables; nothing of this process's own but the PATH."""
        settings = self._settings
        home = settings.work_dir if self._isolated else str(self._root.real_path(settings.work_dir))
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": home,
            "USER": settings.user,
            "LOGNAME": settings.user,
            "SHELL": "/bin/bash",
            "TZ": settings.time_zone,
            **exported(job.request.environment),
            "SLURM_JOB_ID": job.job_id,
            "SLURM_JOBID": job.job_id,
            "SLURM_JOB_NAME": job.name,
            "SLURM_JOB_ACCOUNT": job.account,
            "SLURM_JOB_PARTITION": job.partition,
            "SLURM_JOB_NODELIST": "localhost",
            "SLURM_CLUSTER_NAME": settings.system,
            "SLURM_SUBMIT_DIR": directory,
            "SLURM_NTASKS": "1",
        }


async def _end_group(process: trio.Process) -> None:
    """End a job with all that it started: by request first, then by force."""

    def send(number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    send(signal.SIGTERM)
    with trio.move_on_after(KILL_AFTER_SECONDS):
        await process.wait()
    send(signal.SIGKILL)
    await process.wait()
