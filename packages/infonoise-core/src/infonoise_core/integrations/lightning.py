"""A schedule in a Lightning run."""

# Lightning may be absent where this is type-checked; its classes are Any then.
# mypy: disallow-subclassing-any=False

from typing import Any

from lightning.pytorch import Callback

from infonoise_core.schedules.infonoise import Schedule


class ScheduleCallback(Callback):
    """Tells the schedule of every optimizer step and keeps it in Lightning's checkpoints.

    The module draws and reports in `training_step`: schedule.sample, schedule.observe.  Batches
    accumulated into one optimizer step count as one.
    """

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule = schedule

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Lightning's hook: the gradients of one optimizer step are complete."""
        self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return self.schedule.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.schedule.load_state_dict(state_dict)
