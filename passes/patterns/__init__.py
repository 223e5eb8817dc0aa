"""Patterns written as IR text: what the records of a pattern file mean.

    ir 1
    rewrite @relu_into_conv (%x, %w, %b) {
      %c = conv2d(%x, %w, %b) {act = none, ...}
      %y = relu(%c)
    } where one_use(%c) => {
      %y = conv2d(%x, %w, %b) {act = relu, ...}
    }

`load_patterns` and `parse_patterns` in `plait.passes.patterns.files` make patterns for the rewrite driver of them.
"""
