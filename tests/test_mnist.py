"""MNIST on disk: IDX files, damaged ones too, and the four files."""

import gzip
import hashlib
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from network.data import download as downloading
from network.data import load_mnist, read_idx
from network.data.mnist import cache_folder, read_mnist
from network.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    """The array as an IDX file, written from the definition of the format."""
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def save(folder, content, name="some-file"):
    path = folder / name
    path.write_bytes(content)
    return path


ARRAYS = st.sampled_from(sorted(CODES)).flatmap(
    lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(max_dims=4, max_side=5, min_side=1))
)


# --- IDX ----------------------------------------------------------------------------------------------------------


@given(array=ARRAYS, compress=st.booleans())
def test_idx_round_trip(tmp_path_factory, array, compress):
    content = idx_bytes(array)
    # The name says the opposite of the content: only the content counts.
    name = "plain" if compress else "lying.gz"
    path = save(tmp_path_factory.mktemp("idx"), gzip.compress(content) if compress else content, name)
    back = read_idx(path)
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    assert back.dtype.isnative


@given(data=st.data(), compress=st.booleans())
def test_idx_cut_at_any_byte_is_refused(tmp_path_factory, data, compress):
    content = idx_bytes(np.arange(24, dtype="u1").reshape(2, 3, 4))
    content = gzip.compress(content) if compress else content
    cut = data.draw(st.integers(0, len(content) - 1))
    path = save(tmp_path_factory.mktemp("idx"), content[:cut])
    with pytest.raises(DataError) as error:
        read_idx(path)
    assert_one_line(error, path)


@given(data=st.data())
def test_idx_with_a_flipped_byte_in_its_compression_is_refused_or_right(tmp_path_factory, data):
    array = np.arange(60, dtype="u1").reshape(3, 20)
    content = bytearray(gzip.compress(idx_bytes(array)))
    # The first 10 bytes are gzip's own header, with a time stamp that means nothing here.
    content[data.draw(st.integers(10, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = save(tmp_path_factory.mktemp("idx"), bytes(content))
    try:
        back = read_idx(path)
    except DataError:
        return
    np.testing.assert_array_equal(back, array)


def assert_one_line(error, path):
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert error.value.help


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a 4-byte IDX header, the file has 0 bytes"),
        (
            b"PNG\x01",
            "expected IDX magic 00 00, a type (08, 09, 0b, 0c, 0d, 0e) and a number of dimensions, got 50 4e 47",
        ),
        (b"\0\0\x07\x01\0\0\0\0", "got 00 00 07 01"),
        (b"\0\0\x08\0", "expected at least one dimension, the header says 0"),
        (b"\0\0\x08\x02\0\0\0\x02", "expected 8 bytes for 2 sizes, the file ends after 4"),
        (b"\0\0\x08\x01\0\0\0\x03ab", "expected 3 bytes of data for shape (3,) of uint8, got 2"),
        (b"\0\0\x08\x01\0\0\0\x03abcd", "expected 3 bytes of data for shape (3,) of uint8, got more"),
        (b"\0\0\x0d\x01\0\0\0\x01ab", "expected 4 bytes of data for shape (1,) of float32, got 2"),
    ],
)
@pytest.mark.parametrize("compress", [False, True])
def test_idx_messages(tmp_path, content, message, compress):
    path = save(tmp_path, gzip.compress(content) if compress else content)
    with pytest.raises(DataError) as error:
        read_idx(path)
    assert message in str(error.value)
    assert_one_line(error, path)


def test_idx_that_claims_more_than_fits_in_memory_costs_nothing(tmp_path):
    header = struct.pack(">BBBB4I", 0, 0, 0x0E, 4, *[2**32 - 1] * 4)
    for content in (header + b"abc", gzip.compress(header + b"abc")):
        tracemalloc.start()
        with pytest.raises(DataError, match="got 3"):
            read_idx(save(tmp_path, content))
        assert tracemalloc.get_traced_memory()[1] < 20e6
        tracemalloc.stop()


def test_idx_that_is_no_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_idx(tmp_path / "missing")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_idx(tmp_path)


# --- MNIST on disk --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mnist(mnist_dir):
    return load_mnist(mnist_dir, download=False)


@pytest.mark.mnist
def test_mnist_is_the_canonical_one(mnist_dir):
    images, labels, test_images, test_labels = read_mnist(mnist_dir, download=False)
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert images.dtype == labels.dtype == np.uint8
    assert test_images.shape == (10_000, 28, 28)
    counts = np.bincount(images.reshape(-1), minlength=256)
    assert (counts > 0).all()
    assert round(counts[0] / images.size * 100, 2) == 80.88
    assert (images.reshape(60_000, -1).max(axis=1) > 0).all()
    assert len({row.tobytes() for row in images}) == 60_000


@pytest.mark.mnist
def test_mnist_as_a_data_set(mnist):
    assert {name: x.shape for name, (x, _) in mnist.parts.items()} == {
        "train": (50_000, 784),
        "validation": (10_000, 784),
        "test": (10_000, 784),
    }
    assert mnist.classes == 10
    assert mnist.image_shape == (28, 28)
    for x, y in mnist.parts.values():
        assert x.dtype == np.float32
        assert y.dtype == np.int64
    # The whole training set, in its published order, is the train part followed by the validation part.
    x = np.concatenate([mnist.train[0], mnist.validation[0]])
    y = np.concatenate([mnist.train[1], mnist.validation[1]])
    assert np.bincount(y)[:3].tolist() == [5923, 6742, 5958]
    assert x.mean(dtype=np.float64) == pytest.approx(0.13066048, abs=1e-8)
    assert x.std(dtype=np.float64) == pytest.approx(0.30810780, abs=1e-7)
    assert (x.min(), x.max()) == (0, 1)


@pytest.mark.mnist
def test_mnist_files_are_the_ones_that_a_download_would_accept(mnist_dir):
    for name, published in downloading.FILES.items():
        content = (mnist_dir / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == published


def small_mnist(folder, rows=(60, 10), side=28, labels=None):
    """Four files with the names of MNIST and few rows."""
    rng = np.random.default_rng(0)
    for stem, count in zip(("train", "t10k"), rows):
        images = rng.integers(0, 256, (count, side, side)).astype(np.uint8)
        digits = (np.arange(count) % 10).astype(np.uint8) if labels is None else labels
        save(folder, gzip.compress(idx_bytes(images)), f"{stem}-images-idx3-ubyte.gz")
        save(folder, gzip.compress(idx_bytes(digits)), f"{stem}-labels-idx1-ubyte.gz")
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: small_mnist(f), "expected 60000 images, got 60"),
        (lambda f: small_mnist(f, side=27), r"expected shape \(60000, 28, 28\), got \(60, 27, 27\)"),
        (lambda f: small_mnist(f, labels=np.zeros(59, "u1")), "60 images, but train-labels.* has 59 labels"),
        (
            lambda f: small_mnist(f, labels=np.zeros(60, "i4")),
            r"expected unsigned bytes \(type 08\), got int32",
        ),
        (
            lambda f: small_mnist(f, labels=np.zeros((60, 1), "u1")),
            r"expected shape \(60000,\), got \(60, 1\)",
        ),
    ],
)
def test_mnist_that_is_not_mnist(tmp_path, change, message):
    with pytest.raises(DataError, match=message) as error:
        load_mnist(change(tmp_path), download=False)
    assert str(tmp_path) in str(error.value)
    assert "fetch" in error.value.help


@pytest.fixture
def no_home(monkeypatch, tmp_path):
    """No data anywhere: an empty cache, no folder in the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNDEBUG_DATA", raising=False)
    return tmp_path


def test_missing_mnist_says_what_is_missing_where_and_what_to_do(no_home):
    (no_home / "mnist").mkdir()
    with pytest.raises(DataError) as error:
        load_mnist(no_home / "mnist", download=False)
    assert all(name in str(error.value) for name in downloading.FILES)
    assert str(error.value).endswith(f"not found in {no_home / 'mnist'}")
    assert "--data-dir" in error.value.help
    with pytest.raises(DataError, match="cache"):
        load_mnist(download=False)


def test_a_folder_that_was_named_and_is_not_there_is_not_made(no_home, monkeypatch):
    monkeypatch.setattr("network.data.mnist.fetch", lambda *_: pytest.fail("tried to download"))
    (no_home / "notes.txt").write_text("x")
    for name, words in (("nosuchdir", "there is no such folder"), ("notes.txt", "is a file, not a folder")):
        with pytest.raises(DataError) as error:
            load_mnist(no_home / name)
        assert str(error.value) == f"MNIST: {no_home / name}: {words}"
        assert "--data-dir" in error.value.help
    assert [path.name for path in no_home.iterdir()] == ["notes.txt"]


@pytest.mark.mnist
@pytest.mark.parametrize("layout", ["plain", "subfolder", "dotted"])
def test_mnist_is_found(no_home, mnist_dir, monkeypatch, layout):
    folder = no_home / "data"
    inner = folder / "mnist" if layout == "subfolder" else folder
    inner.mkdir(parents=True)
    for name in downloading.FILES:
        if layout == "dotted":  # as some programs unpack them
            (inner / name.removesuffix(".gz").replace("-idx", ".idx")).write_bytes(
                gzip.decompress((mnist_dir / name).read_bytes())
            )
        else:
            (inner / name).symlink_to(mnist_dir / name)
    monkeypatch.setenv("NNDEBUG_DATA", str(folder))
    assert read_mnist(download=False)[1][:3].tolist() == [5, 0, 4]


@pytest.mark.mnist
def test_a_folder_with_all_files_beats_one_with_some(no_home, mnist_dir, monkeypatch):
    (no_home / "some").mkdir()
    cache_folder().mkdir(parents=True)
    for name in downloading.FILES:
        (cache_folder() / name).symlink_to(mnist_dir / name)
    save(no_home / "some", b"", "train-images-idx3-ubyte.gz")
    monkeypatch.setenv("NNDEBUG_DATA", str(no_home / "some"))
    assert read_mnist(download=False)[1][:3].tolist() == [5, 0, 4]


def test_cache_folder_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / ".cache" / "nndebug" / "mnist"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "nndebug" / "mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "nndebug" / "mnist"
