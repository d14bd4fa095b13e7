import hashlib
import io
import random
import shutil
import ssl
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from serving import Server, body, cut, dripping, moved, plain, ranged, silent, stalling, status

from segzoo.errors import DataError, SegzooError
from segzoo.files import download
from segzoo.files.archives import Limit
from segzoo.files.download import fetch, fetch_folder, progress

CONTENT = random.Random(0).randbytes(10_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def serve():
    with ExitStack() as servers:
        yield lambda *script: servers.enter_context(Server(CONTENT, *script))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No waiting between attempts, no time that passes, small chunks, no proxy before the servers of the tests."""
    monkeypatch.setattr(download, "PAUSES", (0, 0, 0))
    monkeypatch.setattr(download, "monotonic", lambda: 0.0)
    monkeypatch.setattr(download, "CHUNK", 1000)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "file.bin"


@pytest.fixture
def nobody():
    """An address where nothing listens."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_port}/file.bin"


def get(path, *urls, report=lambda done: None, sha256=DIGEST):
    return fetch(urls, path, sha256, len(CONTENT), report)


def beside(path):
    """What lies in the folder of a file, but for the lock."""
    return sorted(other.name for other in path.parent.iterdir() if other.name != ".lock")


def test_a_file_is_fetched_once_and_reported(serve, path):
    server, done = serve(plain), []
    assert get(path, server.url, report=done.append) == path
    assert path.read_bytes() == CONTENT
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, len(CONTENT))
    assert beside(path) == ["file.bin"]
    get(path, server.url)
    assert server.ranges == [None]


@pytest.mark.parametrize("rest", [ranged, plain])
def test_a_connection_cut_half_way_goes_on_where_it_can(serve, path, rest):
    server = serve(cut, rest)
    get(path, server.url)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=4000-"]


def test_a_connection_that_is_cut_again_and_again_gets_there(serve, path, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0,))
    server = serve(cut, cut, ranged)
    get(path, server.url)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("failing", [stalling, silent])
def test_a_server_that_falls_silent_is_asked_again(serve, path, monkeypatch, failing):
    monkeypatch.setattr(download, "TIMEOUT", (60, 0.1))
    # The second answer may be as slow as the machine is.
    monkeypatch.setattr(download.time, "sleep", lambda pause: monkeypatch.setattr(download, "TIMEOUT", (60, 60)))
    get(path, serve(failing, ranged).url)
    assert path.read_bytes() == CONTENT


@pytest.fixture
def ticking(monkeypatch):
    """To report to: a clock that goes by the bytes that are there, which servers are told of."""

    def ticker(seconds, *servers):
        now = [0.0]

        def report(done):
            now[0] = seconds(done)
            for server in servers:
                server.see(done)

        monkeypatch.setattr(download, "monotonic", lambda: now[0])
        return report

    return ticker


def test_a_server_that_sends_a_byte_now_and_then_gives_way_to_the_next(serve, path, ticking):
    slow, good = serve(dripping), serve(ranged)
    get(path, slow.url, good.url, report=ticking(lambda done: 29 * min(done, 3), slow))
    assert path.read_bytes() == CONTENT
    assert slow.ranges == [None]
    assert good.ranges == ["bytes=3-"]  # after 87 s


def test_where_nothing_comes_but_a_byte_now_and_then_patience_ends_and_what_came_is_kept(serve, path, ticking):
    server = serve(dripping)
    said = f"12 bytes that came are kept.*\n  {server.url}: fewer than 1,000 bytes a second came after 12 of 10,000 b"
    with pytest.raises(DataError, match=said):
        get(path, server.url, report=ticking(lambda done: 29 * done, server))
    assert server.ranges == [None, "bytes=3-", "bytes=6-", "bytes=9-"]
    assert path.with_name("file.bin.part").read_bytes() == CONTENT[:12]


@pytest.mark.parametrize(("speed", "requests"), [(990, 3), (1010, 1)])
def test_the_lowest_speed_counts_over_a_window(serve, path, ticking, monkeypatch, speed, requests):
    monkeypatch.setattr(download, "WINDOW", 4)
    monkeypatch.setattr(download, "CHUNK", 50)
    server = serve(ranged)
    get(path, server.url, report=ticking(lambda done: done / speed))
    assert path.read_bytes() == CONTENT
    assert len(server.ranges) == requests


def test_a_file_that_is_all_there_is_not_too_slow(serve, path, ticking):
    server = serve(dripping)
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:-3])
    get(path, server.url, report=ticking(lambda done: 29 * done, server))
    assert path.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) - 3}-"]


def test_ctrl_c_keeps_what_came_for_the_next_call(serve, path):
    def interrupt(done):
        if done >= 3000:
            raise KeyboardInterrupt

    server = serve(ranged)
    with pytest.raises(KeyboardInterrupt):
        get(path, server.url, report=interrupt)
    assert beside(path) == ["file.bin.part"]
    done, came = [], path.with_name("file.bin.part").stat().st_size
    assert came >= 3000
    get(path, server.url, report=done.append)
    assert server.ranges == [None, f"bytes={came}-"]
    assert done[0] == came
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("part", "ranges"),
    [(CONTENT + b"more", [None]), (bytes(len(CONTENT)), [None]), (CONTENT, []), (b"", [None])],
    ids=["larger", "other", "whole", "empty"],
)
def test_a_part_of_an_earlier_call_is_used_only_if_it_can_be(serve, path, part, ranges):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(part)
    server = serve(ranged)
    get(path, server.url)
    assert path.read_bytes() == CONTENT
    assert server.ranges == ranges


def test_a_range_that_the_server_refuses_starts_over(serve, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:10])
    server = serve(status(416), ranged)
    get(path, server.url)
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=10-", None]


def test_a_range_other_than_the_one_asked_for_is_refused(serve, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:10])
    wrong = serve(lambda handler: handler.answer(206, b"abc", 3, Content_Range="bytes 0-2/3"))
    with pytest.raises(DataError, match="offers 'bytes 0-2/3' when asked for the bytes from 10"):
        get(path, wrong.url)


@pytest.mark.parametrize(("end", "total", "requests"), [(9999, "*", 1), (4999, "10000", 2), (4999, "*", 2)])
def test_a_range_may_end_sooner_and_its_server_not_know_the_length(serve, path, end, total, requests):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:10])

    def some(handler):
        handler.answer(206, CONTENT[10 : end + 1], end - 9, Content_Range=f"bytes 10-{end}/{total}")

    server = serve(some, ranged)
    get(path, server.url)
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=10-", "bytes=5000-"][:requests]


def test_a_redirect_is_followed_and_what_came_is_not_asked_for_again(serve, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:10])
    there = serve(ranged)
    get(path, serve(moved(there.url)).url)
    assert path.read_bytes() == CONTENT
    assert there.ranges == ["bytes=10-"]


def test_what_comes_with_a_redirect_is_not_read(serve, path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (60, 60))
    ended = []

    def endless(handler):
        moved(there.url, b"moved", None)(handler)
        handler.server.go_on.wait()
        ended.append(True)

    there = serve(ranged)
    get(path, serve(endless).url)
    assert not ended
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("target", "why"),
    [("/file.bin", "redirects"), ("file:///etc/passwd", "No connection adapters"), ("ftp://a/b", "No connection ad")],
)
def test_a_redirect_that_leads_nowhere_is_refused(serve, path, target, why):
    with pytest.raises(DataError, match=why):
        get(path, serve(moved(target)).url)
    assert beside(path) == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate and its key, for this machine."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("no openssl")
    files = [str(tmp_path_factory.mktemp("tls") / name) for name in ("certificate", "key")]
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-out", files[0], "-keyout", files[1]]
    subprocess.run([openssl, "req", *kind, *subject], check=True, capture_output=True)
    return files


def test_https_is_for_servers_that_are_trusted_and_may_lead_to_http(serve, path, certificate, monkeypatch):
    """It is the digest that tells whether the bytes are right, by whatever way they come."""
    server, there = serve(moved("")), serve(plain)
    server.script = [moved(there.url)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    with pytest.raises(DataError, match="its certificate is not trusted"):
        get(path, url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    get(path, url)
    assert path.read_bytes() == CONTENT


def test_a_proxy_of_the_environment_is_asked_and_named_where_it_is_not_there(serve, path, nobody, monkeypatch):
    server = serve(plain)
    monkeypatch.setenv("http_proxy", nobody)
    with pytest.raises(DataError, match="no connection to the proxy that HTTP_PROXY or HTTPS_PROXY names"):
        get(path, "http://files.example/file.bin")
    monkeypatch.setenv("http_proxy", server.url)
    get(path, "http://files.example/file.bin")
    assert path.read_bytes() == CONTENT


def test_a_passing_failure_is_tried_again_after_longer_and_longer_pauses(serve, path, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (1, 2, 4))
    waited = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    get(path, serve(status(503), status(429), plain).url)
    assert path.read_bytes() == CONTENT
    assert waited == [1, 2]


def test_mirrors_are_tried_in_turn(serve, path, nobody):
    gone, good = serve(status(404)), serve(plain)
    get(path, nobody, gone.url, good.url)
    assert path.read_bytes() == CONTENT
    assert len(gone.ranges) == 1


def test_a_failure_for_good_is_not_repeated(serve, path):
    gone = serve(status(404))
    with pytest.raises(DataError, match=rf"cannot download file.bin\n  {gone.url}: HTTP 404 Not Found"):
        get(path, gone.url)
    assert len(gone.ranges) == 1
    assert beside(path) == []


def test_every_address_that_failed_is_named_with_its_reason(serve, path, nobody):
    down = serve(status(500))
    with pytest.raises(DataError) as error:
        get(path, nobody, down.url, "nonsense://a")
    for reason in (f"{nobody}: no connection", f"{down.url}: HTTP 500", "nonsense://a: "):
        assert reason in str(error.value)
    assert len(down.ranges) == 1 + len(download.PAUSES)


def test_without_a_network_what_came_earlier_is_kept(serve, path, nobody):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:4000])
    with pytest.raises(DataError, match="4,000 bytes that came are kept"):
        get(path, nobody)
    server = serve(ranged)
    get(path, server.url)
    assert server.ranges == ["bytes=4000-"]
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_are_deleted_and_named_with_both_digests(serve, path):
    wrong = bytes(21) + CONTENT[21:]
    server = serve(body(wrong))
    with pytest.raises(DataError) as error:
        get(path, server.url)
    for word in (server.url, DIGEST, hashlib.sha256(wrong).hexdigest()):
        assert word in str(error.value)
    assert len(server.ranges) == 1
    assert beside(path) == []


def test_a_part_of_another_file_costs_a_second_request_and_no_more(serve, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(b"old" * 7)
    server = serve(ranged)
    get(path, server.url)
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=21-", None]


def test_a_server_whose_file_changed_while_it_came_is_refused_in_the_end(serve, path):
    """The second half is of another file, and so is all of it from then on."""
    other = bytes(len(CONTENT))

    def changed(handler):
        handler.server.content = other
        ranged(handler)

    server = serve(cut, changed)
    with pytest.raises(DataError, match=f"SHA-256 of what came is {hashlib.sha256(other).hexdigest()}"):
        get(path, server.url)
    assert server.ranges == [None, "bytes=4000-", None]
    assert beside(path) == []


def test_a_mirror_that_began_with_wrong_bytes_does_not_spoil_the_next(serve, path):
    wrong = serve(lambda handler: handler.answer(200, bytes(4000), len(CONTENT)), status(404))
    good = serve(ranged)
    get(path, wrong.url, good.url)
    assert path.read_bytes() == CONTENT
    assert good.ranges == ["bytes=4000-", None]


def test_wrong_bytes_that_did_not_go_on_from_others_are_not_fetched_twice(serve, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").write_bytes(CONTENT[:10])
    server = serve(body(bytes(len(CONTENT))))  # ignores the range
    with pytest.raises(DataError, match="SHA-256"):
        get(path, server.url)
    assert server.ranges == ["bytes=10-"]


def test_a_mirror_with_wrong_bytes_gives_way_to_the_next(serve, path):
    get(path, serve(body(bytes(len(CONTENT)))).url, serve(ranged).url)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_file_of_another_length_is_not_even_fetched(serve, path, length):
    server = serve(lambda handler: handler.answer(200, CONTENT, length))
    with pytest.raises(DataError, match=f"offers {length} bytes instead of {len(CONTENT)}"):
        get(path, server.url)
    assert beside(path) == []


def test_a_body_without_end_is_cut(serve, path):
    server = serve(body(CONTENT * 100))
    done = []
    with pytest.raises(DataError, match="SHA-256"):
        get(path, server.url, report=done.append)
    assert max(done) <= len(CONTENT) + download.CHUNK
    assert beside(path) == []


def test_bytes_are_kept_as_stored_whatever_encoding_the_server_declares(serve, path):
    # Some servers declare a .tar.gz to be a gzip-encoded .tar, which clients then unpack.
    get(path, serve(body(CONTENT, Content_Encoding="gzip")).url)
    assert path.read_bytes() == CONTENT


def test_a_body_in_chunks_is_put_together_and_goes_on_where_they_end_early(serve, path):
    starts = range(0, len(CONTENT), 700)
    chunks = [b"%x\r\n%b\r\n" % (len(CONTENT[start : start + 700]), CONTENT[start : start + 700]) for start in starts]
    whole, some = b"".join([*chunks, b"0\r\n\r\n"]), b"".join(chunks[:5])
    get(path, serve(body(whole, Transfer_Encoding="chunked")).url)
    assert path.read_bytes() == CONTENT
    path.unlink()
    server = serve(body(some, Transfer_Encoding="chunked"), ranged)
    get(path, server.url)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=3500-"]


def test_a_file_put_there_by_hand_is_verified_and_used(path, nobody):
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert get(path, nobody) == path
    path.write_bytes(b"another")
    with pytest.raises(DataError, match=f"{path} is not the file wanted.*delete it"):
        get(path, nobody)
    assert path.read_bytes() == b"another"


def test_too_little_room_is_said_before_anything_is_fetched(serve, path, monkeypatch):
    usage = shutil.disk_usage(path.parent.parent)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    server = serve(plain)
    with pytest.raises(SegzooError, match=rf"{path.parent} is too full: 10,000 bytes are needed, 10 are free"):
        get(path, server.url)
    assert not server.ranges


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to stand for a full disk")
def test_a_disk_that_fills_up_is_said_and_nothing_stays(serve, path):
    path.parent.mkdir()
    path.with_name("file.bin.part").symlink_to("/dev/full")
    with pytest.raises(SegzooError, match=f"disk of {path.parent} is full: 10,000 bytes are needed"):
        get(path, serve(plain).url)
    assert beside(path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path, nobody):
    (tmp_path / "file").touch()
    with pytest.raises(SegzooError, match=f"cannot write in {tmp_path / 'file' / 'cache'}"):
        get(tmp_path / "file" / "cache" / "file.bin", nobody)


READY = """
import sys
from pathlib import Path
from segzoo.files import download
download.TIMEOUT = None  # the server lets one wait until the other has started, which may take long
print("ready", flush=True)
"""


def end_well_at_once(server, code, *words):
    """Run Python code in two processes, which say that they are ready before the server goes on."""
    start = [sys.executable, "-c", READY + code, *words]
    processes = [subprocess.Popen(start, stdout=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    server.go_on.set()
    for process in processes:
        process.communicate()
        assert process.returncode == 0


def test_two_processes_fetch_once(serve, path):
    server = serve(lambda handler: handler.server.go_on.wait() and plain(handler))
    code = f"download.fetch([{server.url!r}], Path({str(path)!r}), {DIGEST!r}, {len(CONTENT)}, lambda done: None)"
    end_well_at_once(server, code)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_progress_is_shown_on_a_terminal_only(capsys, monkeypatch):
    for variable, shown in (("", False), ("1", True)):
        monkeypatch.setenv("FORCE_COLOR", variable)
        with progress("file.bin", 1000) as report:
            report(400)
            report(1000)
        output = capsys.readouterr()
        assert ("file.bin" in output.err) == shown
        assert not output.out


def packed(**files):
    """A tar of these files in the folder `photos-1.0`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"photos-1.0/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


ARCHIVE = packed(one=b"1", two=CONTENT)


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "cache" / "photos"


@pytest.fixture
def site():
    with Server(ARCHIVE, ranged, name="photos.tar.gz?download=1") as server:
        yield server


def get_folder(folder, *urls, content=ARCHIVE, **options):
    return fetch_folder(urls, folder, hashlib.sha256(content).hexdigest(), len(content), **options)


def test_a_folder_is_fetched_once_and_its_archive_is_gone_then(site, photos):
    for _ in range(2):
        assert get_folder(photos, site.url, inside="photos-1.0") == photos
        assert {path.name: path.read_bytes() for path in photos.iterdir()} == {"one": b"1", "two": CONTENT}
        assert beside(photos) == ["photos"]
    assert site.ranges == [None]


def test_without_a_network_a_folder_comes_from_an_archive_put_there_by_hand(photos, nobody):
    with pytest.raises(
        DataError, match=f"put file.bin \\({len(ARCHIVE):,} bytes\\) into {photos.parent} and run the same"
    ):
        get_folder(photos, nobody)
    (photos.parent / "file.bin").write_bytes(ARCHIVE)
    get_folder(photos, nobody)
    assert beside(photos) == ["photos"]


def test_an_archive_that_outlived_the_process_that_unpacked_it_is_deleted(site, photos):
    get_folder(photos, site.url)
    (photos.parent / "photos.tar.gz").write_bytes(ARCHIVE)
    get_folder(photos, site.url)
    assert beside(photos) == ["photos"]


def test_an_archive_that_is_refused_is_not_fetched_again(site, photos):
    for _ in range(2):
        with pytest.raises(DataError, match=r"photos.tar.gz is refused: it has more than 1 members"):
            get_folder(photos, site.url, limit=Limit(members=1))
    assert site.ranges == [None]
    assert beside(photos) == ["photos.tar.gz"]


@pytest.mark.parametrize("end", ["", "photos", "photos?key=1"])
def test_an_address_need_not_end_with_the_name_of_a_file(photos, end):
    with Server(ARCHIVE, ranged, name=end) as server:
        get_folder(photos, server.url)
    assert beside(photos) == ["photos"]


def test_room_for_the_archive_and_for_what_is_in_it_is_asked_for_first(site, photos, monkeypatch):
    free = [2 * len(ARCHIVE) - 1]
    usage = shutil.disk_usage(photos.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=free[0]))
    with pytest.raises(SegzooError, match=f"{2 * len(ARCHIVE):,} bytes are needed"):
        get_folder(photos, site.url)
    assert not site.ranges
    (photos.parent / "photos.tar.gz.part").write_bytes(ARCHIVE[:1])  # that much is there already
    get_folder(photos, site.url)


def test_two_processes_fetch_a_folder_once(photos):
    digest = hashlib.sha256(ARCHIVE).hexdigest()
    code = f"download.fetch_folder([sys.argv[1]], Path({str(photos)!r}), {digest!r}, {len(ARCHIVE)})"
    with Server(ARCHIVE, lambda handler: handler.server.go_on.wait() and plain(handler)) as server:
        end_well_at_once(server, code, server.url)
    assert server.ranges == [None]
    assert beside(photos) == ["photos"]
