"""A run folder, and its report: python examples/report_of_a_run.py [FOLDER]

The folder can be judged and drawn again later, on another machine too: `nndebug check FOLDER`, `nndebug report FOLDER`.
"""

import sys

import nndebug
from network import SGD, CrossEntropy, Dense, ReLU, Sequential, fit
from network.data import load_digits

folder = sys.argv[1] if len(sys.argv) > 1 else "reports/example"
digits = load_digits()
net = Sequential(Dense(64, 30, init="zeros"), ReLU(), Dense(30, 10), loss=CrossEntropy(), seed=0)
with nndebug.watch(net, folder, png=False):
    fit(net, digits.train, SGD(0.1), epochs=2, validation=digits.test)

run = nndebug.Run.load(folder)
print(nndebug.check(run).verdict)
print(f"{folder}/report.html")
