"""A new user: from a raw table to a saved model in at most 15 lines, without a warning and with a good score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import PACKAGE, PATIENT, python_path

CLASSES = """
import numpy as np, pandas as pd, fastbp as fb
frame = pd.read_csv("wine.csv").sample(frac=1, random_state=0)
classes, y = np.unique(frame.pop("cultivar"), return_inverse=True)
X, X_test, y, y_test = frame[40:], frame[:40], y[40:], y[:40]
net = fb.MLP([X.shape[1], 32, len(classes)], output="softmax", standardize=X, seed=0)
trainer = fb.Trainer(net, loss="cross_entropy", seed=0)
trainer.fit(X, y, epochs=200, validation_split=0.2, callbacks=[fb.EarlyStopping("val_loss", patience=20)])
net.save("model.safetensors")
twin = fb.load("model.safetensors")
print((twin.predict_classes(X_test[X.columns[::-1]]) == y_test).mean())
"""
VALUES = """
import pandas as pd, fastbp as fb
frame = pd.read_csv("diabetes.csv").sample(frac=1, random_state=2)
frame = pd.get_dummies(frame, columns=["sex"])
y = frame.pop("progression")
X, X_test, y, y_test = frame[90:], frame[:90], y[90:], y[:90]
net = fb.MLP([X.shape[1], 16, 1], standardize=X, standardize_targets=y, seed=0)
trainer = fb.Trainer(net, loss="mse", l2=0.1, seed=0)
trainer.fit(X, y, epochs=100)
net.save("model.safetensors")
error = fb.load("model.safetensors").predict(X_test) - y_test
print(1 - (error**2).mean() / y_test.var())
"""
SEVERAL = """
import pandas as pd, fastbp as fb
frame = pd.read_csv("shop.csv")
tags = ["sport", "music", "garden"]
X, y = frame.drop(columns=tags), frame[tags]
net = fb.MLP([X.shape[1], 32, 3], output="sigmoid", standardize=X, seed=0)
trainer = fb.Trainer(net, loss="bce", metrics=["f1"], seed=0)
trainer.fit(X[:800], y[:800], epochs=60, validation_data=(X[800:], y[800:]))
net.save("model.safetensors")
print((fb.load("model.safetensors").predict_classes(X[800:]) == y[800:]).to_numpy().mean())
"""
SCRIPTS = {"classes": (CLASSES, 0.95), "values": (VALUES, 0.4), "several labels": (SEVERAL, 0.93)}


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A directory with the raw tables."""
    pd, datasets = pytest.importorskip("pandas"), pytest.importorskip("sklearn.datasets")
    wine, diabetes = datasets.load_wine(as_frame=True), datasets.load_diabetes(as_frame=True, scaled=False)
    frame = wine.data.assign(cultivar=np.array(["Barolo", "Grignolino", "Barbera"])[wine.target])
    frame.to_csv(tmp_path / "wine.csv", index=False)
    frame = diabetes.data.assign(sex=np.array(["f", "m"])[(diabetes.data["sex"] > 1).astype(int)])
    frame.assign(progression=diabetes.target).to_csv(tmp_path / "diabetes.csv", index=False)
    rng = np.random.default_rng(0)
    age, visits, spent = rng.uniform(18, 90, 1000), rng.poisson(6, 1000), rng.lognormal(5, 1, 1000)
    frame = pd.DataFrame({"age": age, "visits": visits, "spent": spent, "member": rng.random(1000) < 0.5})
    frame["sport"], frame["music"] = (age < 45).astype(int), (visits > 5).astype(int)
    frame["garden"] = ((age > 50) & frame["member"]).astype(int)
    frame.to_csv(tmp_path / "shop.csv", index=False)
    return tmp_path


def environment(directory: Path) -> dict[str, str]:
    """In which the package under test is found, and the kernel of the running Python."""
    kernel = directory / "jupyter" / "kernels" / "this"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "this", "language": "python"}))
    paths = os.pathsep.join([python_path(PACKAGE.parent)["PYTHONPATH"], os.environ.get("PYTHONPATH", "")])
    return {**PATIENT, **os.environ, "PYTHONPATH": paths, "JUPYTER_PATH": str(directory / "jupyter")}


def ran(argv: list[str], directory: Path) -> str:
    """What a process prints that must say nothing on standard error."""
    done = subprocess.run(
        argv, cwd=directory, env=environment(directory), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_of_a_new_user(name, tables):
    """Each warning would be an error."""
    script, least = SCRIPTS[name]
    assert len(script.strip().splitlines()) <= 15
    assert float(ran([sys.executable, "-P", "-W", "error", "-c", script], tables)) > least
    assert (tables / "model.safetensors").exists()


RUN = """
import sys
import nbformat
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(source) for source in open("cells.py").read().split("# %%")]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=240, kernel_name="this").execute()
bars = []
for cell in notebook.cells:
    for output in cell.outputs:
        if output.get("name") == "stderr":  # the line that says that kernels are compiled
            assert "Warning" not in output.text, output.text
        elif "%|" in output.get("data", {}).get("text/plain", ""):
            bars.append(output.data["text/plain"])
        else:
            print(output.get("text", output.output_type))
assert len(bars) == 3 and all(bar.startswith("100%|") for bar in bars), bars
"""


def test_a_notebook_of_a_new_user(tables):
    """Without a head: it does all scripts, and the cells have no output but the scores, and show no warning."""
    pytest.importorskip("nbclient", reason="notebooks need nbclient")
    pytest.importorskip("ipykernel", reason="notebooks need ipykernel")
    cells = []
    for script, _ in SCRIPTS.values():
        lines = script.strip().splitlines()
        cells += ["\n".join(lines[:2]), "\n".join(lines[2:])]
    (tables / "cells.py").write_text("\n# %%\n".join(cells))
    printed = ran([sys.executable, "-P", "-c", RUN], tables).split()
    assert len(printed) == len(SCRIPTS)
    assert all(float(word) > least for word, (_, least) in zip(printed, SCRIPTS.values(), strict=True))
