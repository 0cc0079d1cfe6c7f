"""An editable install, as a developer makes it, is found from every folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import PACKAGE, ROOT


def python(code: str, directory: Path) -> str:
    """What a fresh process prints that starts in this directory, and finds modules there first, as Python does."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_editable_install_is_found_in_the_folder_above_the_clone(tmp_path):
    """There, the folder of the clone has the name of the package. An import hook would be asked too late."""
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    clone, site = tmp_path / "fastbp", tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, clone / "fastbp", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    build = "import sys; from setuptools import build_meta; print(build_meta.build_editable(sys.argv[1]))"
    python(f"import sys; sys.argv.append({str(tmp_path)!r}); {build}", clone)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    # The environment may have an editable install of this checkout, which would be found first.
    hide = f"import sys; sys.path[:] = [path for path in sys.path if path != {str(ROOT)!r}]"
    add = f"import site; site.addsitedir({str(site)!r})"
    show = f"{hide}; {add}; import fastbp; print(fastbp.__file__, fastbp.__version__)"
    for directory in (tmp_path, clone, site):
        assert Path(python(show, directory).split()[0]) == clone / "fastbp" / "__init__.py"
