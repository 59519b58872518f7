"""What `f7tfs doctor` looks at; each finding with its cure. Only `findings` may be imported early."""
