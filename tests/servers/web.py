#!/usr/bin/env python3
"""A server that keeps its word only as far as its URL says: for the tests of what stook-get does about it.

    web.py ROOT PORTFILE [CERT KEY]

serves the files under ROOT on a free port of 127.0.0.1, which it writes to PORTFILE (with a certificate: by TLS), and appends one line a
request to ROOT/log.

    /f/FAULT/NAME     the file NAME, with FAULT: see the functions fault_*; NUMBER counts body bytes, TIMES requests
    /BUCKET/KEY       ROOT/BUCKET as an S3 store: GetObject, ListObjectsV2 in pages of two, every signature recomputed from the
                      bytes of the request (the bucket "public" needs none)
    /webhdfs/v1/...   ROOT/hdfs as WebHDFS: a name node that redirects to a data node (/data), which may break off
"""
import hashlib, hmac, json, os, socket, socketserver, ssl, struct, sys, threading, time, urllib.parse
from xml.sax.saxutils import escape

ROOT = sys.argv[1]
KEYS = {"AKIDTEST": ("s3cr3t/Key+With=Signs", None), "AKIDSESSION": ("another-secret", "session/token+==")}
REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 307: "Temporary Redirect"}
seen, lock = {}, threading.Lock()


def count(key):
    """How often this was asked for, from 1."""
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key]


class Request:
    def __init__(self, line, headers):
        self.method, self.target, _ = line.split(" ", 2)
        self.headers = headers
        self.path, _, self.query = self.target.partition("?")

    def param(self, name, default=""):
        return dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True)).get(name, default)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while self.one():
                pass
        except (ConnectionError, ssl.SSLError, TimeoutError):
            pass

    def one(self):
        line = self.rfile.readline().decode("latin-1").strip()
        if not line:
            return False
        headers = {}
        while (h := self.rfile.readline().decode("latin-1").strip()):
            name, _, value = h.partition(":")
            headers[name.strip().lower()] = value.strip()
        r = Request(line, headers)
        with lock, open(ROOT + "/log", "a") as log:
            log.write(f"{r.method} {r.target} range={headers.get('range', '-')} if-range={headers.get('if-range', '-')}\n")
        self.again = True
        if r.path.startswith("/f/"):
            _, _, fault, name = r.path.split("/", 3)
            kind, *numbers = fault.split("-")
            getattr(self, "fault_" + kind)(r, urllib.parse.unquote(name), *[int(n) for n in numbers])
        elif r.path.startswith("/webhdfs/v1/") or r.path.startswith("/data/"):
            self.hdfs(r)
        else:
            self.s3(r)
        return self.again

    # ---- answers ----

    def head(self, status, **fields):
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Refused')}"]
        lines += [f"{k.replace('_', '-')}: {v}" for k, v in fields.items() if v is not None]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def body(self, data, cut=None, end="close"):
        """data, or its first `cut` bytes and then no more."""
        if cut is None or cut >= len(data):
            self.wfile.write(data)
            return
        self.wfile.write(data[:cut])
        self.wfile.flush()
        if end == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.again = False

    def whole(self, r, data, etag=None, cut=None, end="close", ranges=True, modified=None):
        """A correct answer to a request that may ask for a range, perhaps broken off."""
        start = 0
        wanted = r.headers.get("range")
        if wanted and ranges and r.headers.get("if-range") in (None, etag, modified):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        part = f"bytes {start}-{len(data) - 1}/{len(data)}" if start else None
        self.head(206 if start else 200, Content_Length=len(data) - start, ETag=etag, Last_Modified=modified, Content_Range=part)
        self.body(data[start:], cut, end)

    def file(self, name):
        with open(os.path.join(ROOT, name), "rb") as f:
            return f.read()

    # ---- faults ----

    def fault_plain(self, r, name):
        self.whole(r, self.file(name), '"one"')

    def fault_cut(self, r, name, number, times=1):
        """The first TIMES answers end after NUMBER bytes; ranges work."""
        self.whole(r, self.file(name), '"one"', number if count(r.path) <= times else None)

    def fault_reset(self, r, name, number, times=1):
        self.whole(r, self.file(name), '"one"', number if count(r.path) <= times else None, "reset")

    def fault_dated(self, r, name, number):
        """No ETag but a date."""
        self.whole(r, self.file(name), None, number if count(r.path) == 1 else None, modified="Sat, 21 Nov 2015 10:00:00 GMT")

    def fault_norange(self, r, name, number):
        """Ranges are ignored; nothing says which version it is."""
        self.whole(r, self.file(name), None, number if count(r.path) == 1 else None, ranges=False)

    def fault_change(self, r, name, number):
        """Another version after the break, with another ETag."""
        n = count(r.path)
        self.whole(r, self.file(name).replace(b"x", b"X" if n > 1 else b"x"), f'"v{n}"', number if n == 1 else None)

    def fault_swap(self, r, name, number):
        """Another version after the break, and nothing says so; the bytes before the break differ."""
        n = count(r.path)
        self.whole(r, self.file(name).replace(b"x", b"X" if n > 1 else b"x"), None, number if n == 1 else None, ranges=False)

    def fault_wrongrange(self, r, name, number):
        data = self.file(name)
        if count(r.path) == 1:
            return self.whole(r, data, '"one"', number)
        self.head(206, Content_Length=len(data) - number - 1, ETag='"one"', Content_Range=f"bytes {number + 1}-{len(data) - 1}/{len(data)}")
        self.body(data[number + 1:])

    def fault_unasked(self, r, name):
        """Half of it, as if that had been asked for."""
        data = self.file(name)
        self.head(206, Content_Length=len(data) // 2, Content_Range=f"bytes 0-{len(data) // 2 - 1}/{len(data)}")
        self.body(data[:len(data) // 2])

    def fault_short(self, r, name, number):
        """Promises NUMBER bytes more than it has."""
        data = self.file(name)
        self.head(200, Content_Length=len(data) + number)
        self.body(data)
        self.again = False

    def fault_long(self, r, name, number):
        """Promises NUMBER bytes less than it sends."""
        data = self.file(name)
        self.head(200, Content_Length=len(data) - number)
        self.wfile.flush()
        time.sleep(0.05 * (count(r.path) % 2))
        self.body(data)
        self.again = False

    def fault_endless(self, r, name):
        """Neither length nor chunks."""
        self.head(200, Connection="close")
        self.body(self.file(name))
        self.again = False

    def chunked(self, data, cut=None):
        framed = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + 1000]), data[i:i + 1000]) for i in range(0, len(data), 1000)) + b"0\r\n\r\n"
        self.head(200, Transfer_Encoding="chunked", ETag='"one"')
        self.body(framed, cut)

    def fault_chunked(self, r, name):
        self.chunked(self.file(name))

    def fault_chunkcut(self, r, name, number, times=1):
        """The chunks end after NUMBER bytes, framing counted, TIMES times."""
        if count(r.path) <= times:
            return self.chunked(self.file(name), number)
        self.whole(r, self.file(name), '"one"')

    def fault_busy(self, r, name, status, times, after=None):
        if count(r.path) > times:
            return self.whole(r, self.file(name), '"one"')
        self.head(status, Content_Length=4, Retry_After=after)
        self.wfile.write(b"busy")

    def fault_status(self, r, name, status):
        self.head(status, Content_Length=0)

    def fault_redirect(self, r, name, times, status=302):
        to = f"/f/redirect-{times - 1}-{status}/{name}" if times > 1 else f"/f/plain/{name}"
        self.head(status, Content_Length=0, Location=to)

    def fault_loop(self, r, name):
        self.head(302, Content_Length=0, Location=r.target)

    def fault_elsewhere(self, r, name):
        """To the URL in the query."""
        self.head(302, Content_Length=0, Location=urllib.parse.unquote(r.query))

    def fault_stall(self, r, name, number, times=1):
        data = self.file(name)
        if count(r.path) > times:
            return self.whole(r, data, '"one"')
        self.head(200, Content_Length=len(data), ETag='"one"')
        self.wfile.write(data[:number])
        self.wfile.flush()
        time.sleep(20)
        self.again = False

    def fault_encoded(self, r, name):
        """A server that sends what it keeps under a Content-Encoding that nobody asked for."""
        data = self.file(name)
        self.head(200, Content_Length=len(data), Content_Encoding="gzip")
        self.body(data)

    def fault_strict(self, r, name):
        """Refuses whoever lets it choose an encoding."""
        if r.headers.get("accept-encoding") != "identity":
            return self.head(406, Content_Length=0)
        self.whole(r, self.file(name), '"one"')

    # ---- S3 ----

    def refuse(self, status, code, message):
        xml = f"<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()
        self.head(status, Content_Length=len(xml), Content_Type="application/xml")
        self.wfile.write(xml)

    def signature_fault(self, r):
        """None, or what is wrong: after the S3 API Reference, from what came over the wire."""
        auth = r.headers.get("authorization")
        if not auth:
            return ("AccessDenied", "Access Denied")
        algorithm, _, rest = auth.partition(" ")
        fields = dict(f.strip().split("=", 1) for f in rest.split(","))
        key_id, date, region, service, last = fields["Credential"].split("/")
        if algorithm != "AWS4-HMAC-SHA256" or key_id not in KEYS or (region, service, last) != ("eu-test-1", "s3", "aws4_request"):
            return ("InvalidAccessKeyId", "The key or its scope is unknown")
        secret, token = KEYS[key_id]
        names = fields["SignedHeaders"].split(";")
        must = {"host"} | {h for h in r.headers if h.startswith("x-amz-")}
        stamp = r.headers["x-amz-date"]
        age = abs(time.time() - time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) + time.timezone)
        if not must <= set(names) or names != sorted(names) or stamp[:8] != date or age > 900:
            return ("AccessDenied", "Headers that must be signed are not, or the date is off")
        if r.headers.get("x-amz-security-token") != token:
            return ("InvalidToken", "The session token is not right")
        if r.headers["x-amz-content-sha256"] != hashlib.sha256(b"").hexdigest():
            return ("XAmzContentSHA256Mismatch", "The body's digest is not right")
        quote = lambda s: urllib.parse.quote(s, safe="-._~")
        path = "/".join(quote(urllib.parse.unquote(p)) for p in r.path.split("/"))
        pairs = sorted((quote(k), quote(v)) for k, v in urllib.parse.parse_qsl(r.query, keep_blank_values=True))
        canonical = "\n".join([r.method, path, "&".join(f"{k}={v}" for k, v in pairs)] +
                              [f"{n}:{r.headers[n]}" for n in names] + ["", ";".join(names), r.headers["x-amz-content-sha256"]])
        text = "\n".join([algorithm, stamp, f"{date}/{region}/s3/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in (date, region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"]):
            return ("SignatureDoesNotMatch", "The request signature does not match")
        return None

    def s3(self, r):
        _, bucket, *rest = r.path.split("/", 2)
        if bucket == "faraway":
            return self.head(301, Content_Length=0, x_amz_bucket_region="ap-test-9", Location=f"{r.target}?elsewhere")
        wrong = None if bucket == "public" else self.signature_fault(r)
        if wrong:
            return self.refuse(403, *wrong)
        if r.path == f"/{bucket}" and r.param("list-type") == "2":
            return self.s3_list(r, bucket)
        try:
            data = self.s3_objects(bucket)[urllib.parse.unquote(rest[0])]
        except (KeyError, IndexError):
            return self.refuse(404, "NoSuchKey", "The specified key does not exist.")
        cut = len(data) // 2 if bucket == "shaky" and count(r.path) == 1 else None
        self.whole(r, data, '"' + hashlib.md5(data).hexdigest() + '"', cut)

    def s3_objects(self, bucket):
        """Files whose names are keys, escaped as in URLs."""
        top = os.path.join(ROOT, bucket)
        return {urllib.parse.unquote(n): self.file(os.path.join(bucket, n)) for n in os.listdir(top)}

    def s3_list(self, r, bucket):
        after = bytes.fromhex(r.param("continuation-token").removeprefix("+/&=")).decode() if r.param("continuation-token") else ""
        keys = sorted((k for k in self.s3_objects(bucket) if k.startswith(r.param("prefix")) and k.encode() > after.encode()),
                      key=lambda k: k.encode())
        page, more = keys[:2], len(keys) > 2
        token = f"<NextContinuationToken>+/&amp;={page[-1].encode().hex()}</NextContinuationToken>" if more else ""
        items = "".join(f"<Contents><Key>{escape(k)}</Key><Size>1</Size></Contents>" for k in page)
        xml = (f"<?xml version=\"1.0\"?>\n<ListBucketResult><Name>{bucket}</Name><IsTruncated>{'true' if more else 'false'}</IsTruncated>"
               f"{items}{token}</ListBucketResult>").encode()
        self.head(200, Content_Length=len(xml))
        self.wfile.write(xml)

    # ---- WebHDFS ----

    def remote_exception(self, status, name, message):
        text = json.dumps({"RemoteException": {"exception": name, "message": message + "\nat a.stack.trace"}}).encode()
        self.head(status, Content_Length=len(text))
        self.wfile.write(text)

    def status_of(self, path, suffix=""):
        folder = os.path.isdir(path)
        return {"pathSuffix": suffix, "type": "DIRECTORY" if folder else "FILE", "length": 0 if folder else os.path.getsize(path),
                "modificationTime": int(os.path.getmtime(path) * 1000)}

    def hdfs(self, r):
        data_node = r.path.startswith("/data/")
        name = urllib.parse.unquote(r.path.removeprefix("/data/" if data_node else "/webhdfs/v1/"))
        path, op = os.path.join(ROOT, "hdfs", name), r.param("op")
        if r.param("user.name") == "mallory":
            return self.remote_exception(403, "AccessControlException", "Permission denied: user=mallory")
        if not os.path.exists(path):
            return self.remote_exception(404, "FileNotFoundException", f"File does not exist: /{name}")
        if op == "GETFILESTATUS":
            return self.answer({"FileStatus": self.status_of(path)})
        if op == "LISTSTATUS":
            entries = [self.status_of(os.path.join(path, n), n) for n in sorted(os.listdir(path), reverse=True)]
            return self.answer({"FileStatuses": {"FileStatus": entries}})
        if not data_node:
            to = f"http://127.0.0.1:{self.server.server_address[1]}/data/{urllib.parse.quote(name)}?{r.query}"
            return self.head(307, Content_Length=0, Location=to)
        data = self.file(path)[int(r.param("offset", "0")):]
        self.head(200, Content_Length=len(data), Connection="close")
        shaky = "shaky" in name and count(r.path) == 1
        if "rewritten" in name and count(r.path) == 1:
            shaky = True
            with open(path, "ab") as f:
                f.write(b"9,new\n")
        self.body(data, len(data) // 3 if shaky else None)
        self.again = False

    def answer(self, value):
        text = json.dumps(value).encode()
        self.head(200, Content_Length=len(text))
        self.wfile.write(text)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64

    def get_request(self):
        sock, address = super().get_request()
        sock.settimeout(60)
        return sock, address

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError, ssl.SSLError)):
            super().handle_error(request, address)


with Server(("127.0.0.1", 0), Handler) as server:
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(sys.argv[2] + ".new", "w") as f:
        f.write(str(server.server_address[1]))
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    server.serve_forever()
