"""The GPU proof: all figures that need a GPU, by one command.

Started by ``benchmarks/gpu_proof.sh``; see ``docs/performance.md``. Measuring
is done by ``benchmarks``; this package plans the time, keeps each part
in a process of its own and writes the page.
"""
