"""Reads a run report and says whether the run kept the promises of the steady state."""
# SPDX-License-Identifier: Apache-2.0
import json
import sys

report = json.load(open(sys.argv[1]))
seconds = float(sys.argv[2])
failures = []


def expect(what, value, limit):
    print(f"{what:<46} {value:>14} (at most {limit})")
    if value > limit:
        failures.append(what)


grown = report["growth_after_warm_up"]
moved = report["bytes_moved_per_frame"]
expect("allocations on frame threads", report["allocations_after_seal"]["frame_threads"], 0)
expect("outstanding bytes grown after warm-up", grown["outstanding_bytes"], 1 << 20)
expect("resident bytes grown after warm-up", grown["resident_bytes"], 1 << 20)
expect("bytes moved over the floor", round(moved["actual"] / moved["floor"], 3), 1.3)
for camera in report["cameras"]:
    lost = camera["captured"] - (report["paired"] - camera["missing"]) - camera["unpaired"] - camera["dropped"]
    expect(f"pictures of {camera['name']} that no count explains", abs(lost), 0)
print(f"{'filmed':<46} {report['duration_s']:>14} s, {report['presented']} frames shown, "
      f"{report['late']} late, {report['asked']['repeats']} repeated")
if report["duration_s"] < seconds:
    failures.append("duration")
sys.exit(f"soak: not kept: {', '.join(failures)}" if failures else 0)
