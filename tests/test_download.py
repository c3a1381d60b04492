"""MNIST over the wire: mirrors on this machine stand in for those on the network."""

import hashlib
import http.server
import threading

import pytest

from network.data import download as downloading
from network.data import load_mnist
from network.errors import DataError


@pytest.fixture
def mirrors(monkeypatch):
    """Two mirrors on this machine; `mirrors[i][path] = content`, anything else is 404."""
    contents, servers = [{}, {}], []
    for pages in contents:

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self, pages=pages):
                content = pages.get(self.path.lstrip("/"))
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
    monkeypatch.setattr(downloading, "MIRRORS", [f"http://127.0.0.1:{s.server_port}/" for s in servers])
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield contents
    for server in servers:
        server.shutdown()
        server.server_close()


CONTENT = b"not an image" * 20_000
NAME = "some.gz"


@pytest.fixture
def published(monkeypatch):
    known = downloading.Published(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(downloading.FILES, NAME, known)


def test_fetch_goes_to_the_next_mirror_and_reports_progress(tmp_path, mirrors, published):
    mirrors[1][NAME] = CONTENT
    calls = []
    path = downloading.fetch(NAME, tmp_path / "new" / "folder", lambda *call: calls.append(call))
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [NAME]
    assert path.stat().st_mode & 0o444 == 0o444
    done = [done for _, done, _ in calls]
    assert done == sorted(done)
    assert calls[-1] == (NAME, len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"!", CONTENT[:-1] + b"?", b""])
def test_fetch_keeps_nothing_that_is_not_as_published(tmp_path, mirrors, published, wrong):
    mirrors[0][NAME] = wrong
    with pytest.raises(DataError) as error:
        downloading.fetch(NAME, tmp_path)
    assert "published SHA-256" in str(error.value)
    assert "HTTP 404" in str(error.value)
    assert list(tmp_path.iterdir()) == []
    mirrors[1][NAME] = CONTENT
    assert downloading.fetch(NAME, tmp_path).read_bytes() == CONTENT


def test_fetch_without_a_connection_says_how_to_go_on(tmp_path, monkeypatch):
    # Port 9 of this machine: nobody listens there.
    monkeypatch.setattr(downloading, "MIRRORS", ["http://127.0.0.1:9/", "http://127.0.0.1:9/b/"])
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DataError, match=r"could not be downloaded: 127\.0\.0\.1:9: .*refused") as error:
        load_mnist(tmp_path)
    assert "\n" not in str(error.value)
    for word in ("--data-dir", "NNDEBUG_DATA", "train-images-idx3-ubyte.gz", "digits"):
        assert word in error.value.help
    assert list(tmp_path.iterdir()) == []


def test_fetch_interrupted_leaves_nothing_behind(tmp_path, mirrors, published):
    mirrors[0][NAME] = CONTENT

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloading.fetch(NAME, tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_fetch_into_a_folder_that_cannot_be(tmp_path, mirrors, published):
    mirrors[0][NAME] = CONTENT
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written: Not a directory"):
        downloading.fetch(NAME, tmp_path / "file" / "below")


@pytest.mark.mnist
def test_only_missing_files_are_downloaded(tmp_path, mnist_dir, mirrors):
    folder = tmp_path / "partial"
    folder.mkdir()
    names = list(downloading.FILES)
    for name in names[:2]:
        (folder / name).symlink_to(mnist_dir / name)
    for name in names[2:]:
        mirrors[0][name] = (mnist_dir / name).read_bytes()
    seen = set()
    data = load_mnist(folder, progress=lambda name, *_: seen.add(name))
    assert seen == set(names[2:])
    assert data.test[1][:3].tolist() == [7, 2, 1]


def test_mirrors_are_encrypted():
    assert len(downloading.MIRRORS) >= 2
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in downloading.MIRRORS)
