"""The report of a run: what it has logged and kept, what that says, and one page that shows it."""
