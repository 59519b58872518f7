"""The `.jobs` directory: dropping a script submits it, a job is a directory, removing that cancels it.

.jobs/NAME          a script: submitted when no process has it open any more, and then a link to its job's directory
.jobs/NAME.err      why NAME was not submitted, in the scheduler's own words
.jobs/by-name/NAME  a symbolic link to the directory of the newest job of that name and working directory
.jobs/last          likewise, of the job submitted last
.jobs/queue         a table of all jobs; queue.json the same for programs
.jobs/ID/…          a job; see `job`
"""

from f7tfs.vfs.jobs.directory import JobsDirectory
from f7tfs.vfs.jobs.output import OutputFile
from f7tfs.vfs.jobs.tree import JobsTree

__all__ = ["JobsDirectory", "JobsTree", "OutputFile"]
