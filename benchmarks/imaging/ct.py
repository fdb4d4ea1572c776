"""Reading and measuring a chest CT of clinical size: CPU seconds, throughput and peak memory, beside pydicom alone.

The phantom of ``salus.imaging.phantom`` is enlarged to ``--size`` slices of 512 x 512 pixels and written as DICOM; the
peer is pydicom decoding the same files one by one (no geometry, no checks).
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import orjson
import pydicom

from salus.formats.dicom import read_series, write_ct_series
from salus.formats.types import Volume
from salus.imaging.lung import measure, segment
from salus.imaging.phantom import thorax


def enlarged(slices: int) -> Volume:
    """The phantom with ``slices`` slices of 512 x 512 pixels of 0.7 mm."""
    thick = 240.0 / slices
    made = thorax(shape=(slices, 128, 128), spacing=(thick, 2.8, 2.8)).volume
    affine = made.affine.copy()
    affine[:3, :2] /= 4
    return replace(made, array=made.array.repeat(4, axis=1).repeat(4, axis=2), affine=affine)


def cpu_seconds(work: Callable[[], Any], runs: int) -> list[float]:
    """CPU seconds of each of ``runs`` calls, sorted."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return sorted(found)


def figures(name: str, seconds: Sequence[float], amount: float, unit: str) -> dict[str, Any]:
    """Throughput at the median, median and 95th percentile."""
    p50, p95 = (float(np.percentile(seconds, q)) for q in (50, 95))
    return {"name": name, f"{unit}_per_cpu_s": amount / p50, "p50_s": p50, "p95_s": p95}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    parser.add_argument("--size", type=int, default=200, help="number of slices")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    volume = enlarged(options.size)
    files = write_ct_series(volume, patient_id="bench", seed="bench")
    megabytes = sum(map(len, files)) / 1e6
    results = [
        figures("salus read_series", cpu_seconds(lambda: read_series(files), options.runs), megabytes, "mb"),
        figures(
            "pydicom pixel_array",
            cpu_seconds(lambda: [pydicom.dcmread(BytesIO(f)).pixel_array for f in files], options.runs),
            megabytes,
            "mb",
        ),
        figures("salus lungs", cpu_seconds(lambda: measure(segment(volume)), options.runs), options.size, "slices"),
    ]
    result = {
        "benchmark": "imaging.ct",
        "slices": options.size,
        "megabytes": megabytes,
        "results": results,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(orjson.dumps(result, option=0 if options.json else orjson.OPT_INDENT_2).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
