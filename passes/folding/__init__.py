"""What folding passes share: affine functions of channels, how weights absorb them, and control flow that is known."""
