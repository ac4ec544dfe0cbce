"""Writes savez.npz, savez_compressed.npz and pytorch_fid.npz, which hold the same mu and sigma.

Run in this folder: python3 make_npz.py
The files here were made with NumPy 1.24.2 on Python 3.11.
mu[i] = (i + 1) / 8, sigma[i,j] = 1 / (i + j + 1) + (i == j), d = 5.
"""
import numpy as np

i = np.arange(5.0)
mu = (i + 1) / 8
sigma = 1 / (i[:, None] + i + 1) + np.eye(5)
np.savez_compressed("pytorch_fid.npz", mu=mu, sigma=sigma)  # its save_fid_stats
extra = dict(n=np.int64(50000), hash="3aede38d", extractor="Inception-v3 β", when=np.float64(2.5), who=np.array(["a", "b"]))
np.savez("savez.npz", mu=mu, sigma=sigma, objects=np.array([{"not": "read"}], dtype=object), **extra)
np.savez_compressed("savez_compressed.npz", sigma=sigma.astype(np.float32), mu=mu.astype(np.float32), **extra)
np.savez("objects.npz", mu=mu, sigma=sigma.astype(object))
