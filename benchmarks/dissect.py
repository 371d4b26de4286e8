"""What a dissection costs, against the bare forward pass, and its peak memory.

    PYTHONPATH=NETWORKS python benchmarks/dissect.py miniplaces:DIR,train --backbone python:scene_networks:places365 \
        --layer 'fire?' --pictures 1000 --pictures 3500 --threads 2

Every case runs in a process of its own, on the same pictures: the pass alone (decoding, network, maps of all layers),
quantiles and top pictures, overlap with all objects, and the chance levels on top of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace

CASES = {
    "bare forward pass": None,
    "quantiles and top pictures": {"chance": ()},
    "with all objects": {"chance": ()},
    "... and shuffled masks": {"chance": ("shuffled",)},
    "... and the layers turned": {"chance": ("shuffled", "rotated")},
    "... and random weights": {"chance": ("shuffled", "rotated", "untrained")},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--layer", action="append", required=True)
    parser.add_argument("--pictures", action="append", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked)))
        return
    for n in asked.pictures or [1000, 3500]:
        bare, bare_cpu = 0.0, 0.0
        for case in asked.case or CASES:
            words = [sys.executable, __file__, asked.data, "--backbone", asked.backbone, "--one", "--case", case]
            words += ["--pictures", str(n), "--threads", str(asked.threads)]
            words += [word for layer in asked.layer for word in ("--layer", layer)]
            done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
            seconds, cpu, peak = json.loads(done.stdout.splitlines()[-1])
            bare, bare_cpu = bare or seconds, bare_cpu or cpu
            took = f"{seconds:7.1f} s {seconds / bare:5.2f} x  {cpu:7.1f} s of processors {cpu / bare_cpu:5.2f} x"
            print(f"{n:5} pictures  {case:28} {took}  {peak:5.0f} MB", flush=True)


def measured(asked: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds of a case, those that processors were busy, and the peak of the process's memory in MB."""
    import torch

    from vestige.contract.session import Session
    from vestige.datasets.opening import open_dataset
    from vestige.extraction import ExtractOptions
    from vestige.features.reader import Reader
    from vestige.images import Crop
    from vestige.progress import print_nothing
    from vestige.units.activations import ActivationReader
    from vestige.units.dissect.measure import measure_dissect
    from vestige.units.dissect.task import DissectOptions

    torch.set_num_threads(asked.threads)
    (case,), (n,) = asked.case, asked.pictures
    data = open_dataset(asked.data)
    data = replace(data, examples=data.examples[:: max(1, len(data) // n)][:n])
    if case == "quantiles and top pictures":
        data = replace(data, examples=tuple(replace(each, objects=()) for each in data))
    session = Session(Reader(ExtractOptions(workers=1)), print_nothing, workers=asked.threads)
    backbone = session.reader.backbone(asked.backbone)
    warm = ActivationReader(backbone, asked.layer, session.reader.options)
    for _ in warm.read([Crop(each) for each in data.examples[:32]]):
        pass
    if CASES[case] is not None:  # numba's loops are compiled once, and kept
        few = replace(data, examples=data.examples[:64])
        measure_dissect(session, few, DissectOptions(asked.backbone, tuple(asked.layer), least=1, **CASES[case]))
    started, busy = time.monotonic(), time.process_time()
    if CASES[case] is None:
        for _ in warm.read([Crop(each) for each in data]):
            pass
    else:
        measure_dissect(session, data, DissectOptions(asked.backbone, tuple(asked.layer), **CASES[case]))
    seconds, busy = time.monotonic() - started, time.process_time() - busy
    return seconds, busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
