"""A network knows the columns of a data frame by their names, so their order does not matter.

The table of flats has a city and a floor, which are categories, an area and an age. pandas makes a column of zeros and
ones for each category. The network then gets the columns in another order and predicts the same rents. If a column is
missing, an error names it. The picture shows predicted rents against true ones, which lie close to the diagonal.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)
n = 1500
flats = pd.DataFrame({"city": rng.choice(["Rome", "Oslo", "Lima"], n), "floor": rng.choice(["low", "high"], n)})
flats["area"], flats["age"] = rng.uniform(20, 120, n), rng.uniform(0, 90, n)
price = flats["city"].map({"Rome": 12.0, "Oslo": 16.0, "Lima": 7.0}) + 2.0 * (flats["floor"] == "high")
rent = (flats["area"] * price - 2 * flats["age"] + rng.normal(0, 30, n)).to_numpy()

X = pd.get_dummies(flats, dtype=float)
train, test = slice(1000), slice(1000, None)
net = fb.MLP([X.shape[1], 32, 1], standardize=X[train], standardize_targets=rent[train], seed=0)
trainer = fb.Trainer(net, loss="mean_squared_error", optimizer=fb.Adam(0.01), metrics=["r2"], seed=0)
trainer.fit(X[train], rent[train], epochs=60)
print("columns:", *net.columns)
print(f"R2 of new flats {trainer.evaluate(X[test], rent[test])['r2']:.3f}")

other_order = X[test][X.columns[::-1]]
print("same rents in another order:", bool((net.predict(other_order) == net.predict(X[test])).all()))
try:
    net.predict(X[test].drop(columns="city_Oslo"))
except ValueError as error:
    print("error:", error)

figure, ax = plt.subplots(figsize=(4.5, 4.2), layout="constrained")
for city in ("Lima", "Oslo", "Rome"):
    rows = X[test][f"city_{city}"] == 1
    ax.plot(rent[test][rows], net.predict(X[test][rows]), ".", markersize=4, label=city)
ax.axline((800, 800), slope=1, color="0.5", zorder=0)
ax.set(xlabel="true rent", ylabel="predicted rent")
ax.legend()
picture(figure, __file__)
