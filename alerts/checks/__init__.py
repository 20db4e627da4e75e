"""Kernels that judge every reading while it passes; state by slot, the same for one-by-one and batched feeding."""
