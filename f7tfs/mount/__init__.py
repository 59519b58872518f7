"""The daemon behind a mount: start-up, signals, its control socket, its state on the local disk."""
