"""What lies in the folder of a run, by name; nothing here needs more than Python."""

CONFIG_FILE, DONE_FILE, METRICS_FILE = "config.json", "done.json", "metrics.jsonl"
PROFILE_FILE, CHECKPOINTS = "profile.json", "checkpoints"
# What config.json said before the run was lengthened.
EARLIER = "earlier"
