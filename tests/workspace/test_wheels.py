"""Each package's wheel is whole, small, and works beside core alone."""

import email
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = ["infonoise-core", "infonoise-vision", "infonoise-text", "infonoise-bio"]
DOMAINS = PACKAGES[1:]

# Runs with -I -S: the standard library, the unzipped wheels and the third-party packages are on the
# path, but no .pth file is read, so the checkout's editable packages cannot be found.
IMPORT_ALL = """
import importlib, pkgutil, sys
package, unzipped, *third_party = sys.argv[1:]
sys.path[:0] = [unzipped]
sys.path += third_party
root = importlib.import_module(package)
assert root.__file__.startswith(unzipped), root.__file__
for module in pkgutil.walk_packages(root.__path__, package + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*sorted({name.partition(".")[0] for name in sys.modules if name.startswith("infonoise")}))
"""


@pytest.fixture(scope="module")
def wheels(index: Path) -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        (found[package],) = index.glob(f"{package.replace('-', '_')}-*.whl")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_holds_the_whole_package(package, wheels):
    source = ROOT / "packages" / package / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheels[package]) as wheel:
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licences = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert f"{package.replace('-', '_')}/py.typed" in files
    assert files == expected
    assert len(licences) == 1


def test_core_is_small_and_needs_numpy_and_torch_alone(wheels):
    path = wheels["infonoise-core"]
    # The verbs of all domains lie in core, and adapters to other libraries; runs that go
    # on, are planned, spread over processes and saved by all of them: 360 kB, and a little room.
    assert path.stat().st_size < 380_000
    with zipfile.ZipFile(path) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(name))
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    plain = [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    assert {requirement.name for requirement in plain} == {"numpy", "torch"}


@pytest.mark.parametrize("package", DOMAINS)
def test_domain_imports_beside_core_alone(package, wheels, tmp_path):
    for part in ("infonoise-core", package):
        with zipfile.ZipFile(wheels[part]) as wheel:
            wheel.extractall(tmp_path)
    module = package.replace("-", "_")
    third_party = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, module, str(tmp_path), *third_party],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"infonoise_core", module}
