"""What an execution is: how it starts, which ways it may go, what is written down and how that is read back."""
