"""Prints what run reports say about speed, processor time and bytes, one column per report."""
# SPDX-License-Identifier: Apache-2.0
import json
import sys

for name in sys.argv[1:]:
    r = json.load(open(name))
    frames = max(r["presented"], 1)
    threads = r["allocations_after_seal"]["by_thread"]
    encoding = sum(t["cpu_s"] for n, t in threads.items() if n.startswith("encode"))
    moved = r["bytes_moved_per_frame"]
    print(f"\n{name} on {r['device']}")
    print(f"  frames shown             {r['presented']} in {r['duration_s']:.1f} s, {frames / r['duration_s']:.1f} a second")
    print(f"  processor time           {r['cpu_s'] / r['duration_s']:.2f} cores, of them encoding {encoding / r['duration_s']:.2f}")
    print(f"  bytes moved per frame    {moved['actual'] / 1e6:.1f} MB, {moved['actual'] / max(moved['floor'], 1):.2f} times the floor")
    print(f"  memory                   budget {r['memory']['budget_mib']:.0f} MiB, peak resident {r['memory']['peak_rss_mib']:.0f} MiB")
    print(f"  allocations, frames      {r['allocations_after_seal']['frame_threads']}")
    print(f"  delay error at most      {r['delay']['max_error_ms']} ms, late {r['late']}, repeated {r['asked']['repeats']}")
    for stage, l in r["latency_ms"].items():
        if l["count"]:
            print(f"  {stage:<24} p50 {l['p50']:.2f}  p99 {l['p99']:.2f}  max {l['max']:.2f} ms")
    print(f"  bottleneck               {r['bottleneck']}")
