"""Real pictures that scikit-learn ships, as HDF5 files of 8-bit images with the data sets train and validation.

    python make_pictures.py FOLDER

digits.h5: its 1,797 handwritten digits, 8 x 8 grey. photos.h5: its two photographs cut in 32 x 32 patches, which
overlap by half; patches to validate on come from the right quarter of each and overlap with none to train on.
"""
import sys
import h5py, numpy as np
from sklearn.datasets import load_digits, load_sample_images

folder = sys.argv[1]


def save(name, train, validation):
    with h5py.File(f"{folder}/{name}", "w") as f:
        for key, x in (("train", train), ("validation", validation)):
            f.create_dataset(key, data=x, compression="gzip", chunks=(min(64, len(x)),) + x.shape[1:])


order = np.random.default_rng(0).permutation(1797)
digits = np.round(load_digits().images * (255 / 16)).astype(np.uint8)[order]
save("digits.h5", digits[:1500], digits[1500:])


def patches(picture, left, right):
    rows = range(0, picture.shape[0] - 31, 16)
    return [picture[r:r + 32, c:c + 32].transpose(2, 0, 1) for r in rows for c in range(left, right - 31, 16)]


train, validation = [], []
for picture in load_sample_images().images:
    cut = picture.shape[1] * 3 // 4
    train += patches(picture, 0, cut)
    validation += patches(picture, cut, picture.shape[1])
save("photos.h5", np.stack(train), np.stack(validation))
