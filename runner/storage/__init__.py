"""What lies on disk: the job tree, the logs, the captured output, the small state. One file for each."""
