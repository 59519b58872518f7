"""The cluster's scheduler: what it is asked, what it says, and one that runs jobs as processes of this machine."""
