"""Random networks, planted mistakes and rival checks for `benchmarks.gradcheck_accuracy`."""
