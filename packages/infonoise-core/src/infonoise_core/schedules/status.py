"""What a schedule that learns says of itself, in one line."""

# Total variation below which adapting cannot change much, and the status says so.
_CLOSE = 0.1


def stage_of_life(
    steps: int, warmup_steps: int, since: int | None, prior: str, bins: str, distance: float
) -> str:
    """Warming up, or adapting, and how far the density is from the warm-up's.

    Args:
        since: The step at which it began to adapt, or None.
        prior: What it draws by until then.
        bins: How many of them are filled, in words.
        distance: Total variation from the warm-up's density.
    """
    if since is not None:
        close = " (so close that adapting cannot matter much)" if distance < _CLOSE else ""
        return (
            f"adapting since step {since}: {bins}, total variation {distance:.2f} from the warm-up"
            f" law{close}"
        )
    if steps > warmup_steps:
        return f"still warming up under {prior} after {steps} steps: {bins}"
    return f"warming up under {prior}: step {steps} of {warmup_steps}, {bins}"
