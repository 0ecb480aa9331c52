"""The method on tensors and images: no storage, no screen. Start with `latent.py`."""
