"""What a process frees stays with it: the kernel clears no pages again."""

import os
import platform
import subprocess
import sys

import pytest

PAGES = """
import resource, sys
from infonoise_core.training.engines.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory() is (sys.argv[2] == "yes")

def step():
    block = bytearray(48 << 20)  # above any threshold that glibc finds by itself
    block[::4096] = bytes(len(block) // 4096)

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, expected: str = "yes", **environment: str) -> int:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    answer = subprocess.run(
        [sys.executable, "-c", PAGES, how, expected],
        env=clean | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(answer.stdout)


glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")


@glibc
def test_blocks_are_used_again() -> None:
    """However large the kernel's pages are: 10 blocks of 48 MiB cost none where they are kept."""
    assert faults("plain") > 10 * faults("kept")


@glibc
@pytest.mark.parametrize(
    "chosen",
    [
        {"MALLOC_TRIM_THRESHOLD_": "131072"},
        {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"},
    ],
)
def test_the_users_own_setting_stands(chosen: dict[str, str]) -> None:
    assert faults("kept", "no", **chosen) > 10 * faults("kept")
