#!/usr/bin/python3
"""Nasty CSV and JSON through the real tools: tests/corpus/*.cases, one case a line, and seeded random texts against Python's readers.

A line: NAME, OPTIONS, INPUT, ROWS, ERROR, CSV, separated by tabs; \\n \\r \\t \\\\ \\xHH \\uHHHH mean what they mean in C, - stands for
nothing. What is expected follows from RFC 4180, RFC 8259 and the manual, never from what the tools said.
  ROWS   csv.cases: JSON arrays, the names and then each record (also those before an error)
         json.cases: what --to jsonl gives; = the input itself
  ERROR  STATUS LINE:COLUMN beginning of the message
  CSV    csv.cases: what --to csv gives; = the input itself
Each case is read from a file, from a pipe that gives one byte at a time, with one thread and with eight, and compressed."""
import csv, gzip, io, json, os, random, re, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))


def unescape(s):
    out = bytearray()
    for m in re.finditer(r'\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[nrt\\])|(.)', s, re.S):
        e, c = m.groups()
        if c is not None:
            out += c.encode()
        elif e[0] == 'x':
            out.append(int(e[1:], 16))
        elif e[0] == 'u':
            out += chr(int(e[1:], 16)).encode()
        else:
            out += {'n': b'\n', 'r': b'\r', 't': b'\t', '\\': b'\\'}[e]
    return bytes(out)


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err.decode('utf-8', 'replace')
        self.error = None
        for line in self.err.splitlines():
            if line.startswith('{') and '"status"' in line:
                self.error = json.loads(line)

    def place(self):
        e = self.error
        return '%d:%d' % (e.get('line', 0), e.get('column', 0)) if e else ''


def drip(fd, data):
    try:
        for i in range(len(data)):
            os.write(fd, data[i:i + 1])
    except OSError:
        pass
    os.close(fd)


def stook(args, data=None, slow=False):
    """Runs `stook cat --errors json ARGS` with data on stdin."""
    argv = ['stook', 'cat', '--errors', 'json'] + args
    if not slow:
        p = subprocess.run(argv, input=data or b'', capture_output=True, timeout=60)
        return Result(p.returncode, p.stdout, p.stderr)
    r, w = os.pipe()
    p = subprocess.Popen(argv, stdin=r, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(r)
    feeder = threading.Thread(target=drip, args=(w, data))
    feeder.start()
    out, err = p.communicate(timeout=60)
    feeder.join()
    return Result(p.returncode, out, err)


class Case:
    def __init__(self, kind, line):
        f = line.split('\t')
        if len(f) < 4 or len(f) > 6:
            raise ValueError('%d fields: %r' % (len(f), line))
        f += ['-'] * (6 - len(f))
        self.kind, self.name = kind, f[0]
        self.options = [] if f[1] == '-' else [unescape(o).decode() for o in f[1].split(' ')]
        self.text = b'' if f[2] == '-' else unescape(f[2])
        self.rows, self.error, self.csv = f[3], f[4], f[5]

    def ways(self, path):
        with open(path, 'wb') as f:
            f.write(self.text)
        with open(path + '.gz', 'wb') as f:
            f.write(gzip.compress(self.text, 1, mtime=0))
        o = ['--from', self.kind] + self.options
        yield 'from a file', stook(o + [path] + self.to)
        yield 'byte by byte', stook(o + ['-j', '1', '-'] + self.to, self.text, slow=True)
        yield 'with 8 threads', stook(o + ['-j', '8', '-'] + self.to, self.text)
        yield 'compressed', stook(o + [path + '.gz'] + self.to)

    @property
    def to(self):
        return [] if '--to' in self.options else ['--to', 'jsonl'] + (['--keep-null'] if self.kind != 'jsonl' else [])

    def wrong(self, path):
        """What is not as expected, or None."""
        for way, got in self.ways(path):
            bad = self.wrong_error(got) or self.wrong_rows(got)
            if bad:
                return '%s: %s' % (way, bad)
        if self.kind != 'jsonl' and self.csv != '-':
            want = self.text if self.csv == '=' else unescape(self.csv)
            got = stook(['--from', self.kind] + self.options + [path, '--to', 'csv'])
            if got.out != want:
                return 'as CSV: %r, not %r' % (got.out, want)
        return None

    def wrong_error(self, got):
        if self.error == '-':
            return None if got.status == 0 else 'exit %d: %s' % (got.status, got.err)
        status, place, text = (self.error + '  ').split(' ', 2)
        if str(got.status) != status:
            return 'exit %d, not %s: %s' % (got.status, status, got.err)
        if not got.error or got.place() != place or not got.error['message'].startswith(unescape(text.strip()).decode()):
            return 'not %s %s: %s' % (place, text, got.err)
        return None

    def wrong_rows(self, got):
        if self.kind == 'jsonl':
            want = self.text if self.rows == '=' else b'' if self.rows == '-' else unescape(self.rows)
            return None if got.out == want else 'gave %r, not %r' % (got.out, want)
        want = list(arrays(unescape(self.rows).decode())) if self.rows != '-' else []
        rows = [list(zip(want[0], w)) for w in want[1:]] if want else []
        out = [json.loads(l, object_pairs_hook=list) for l in lines(got.out)]
        return None if out == rows else 'gave %r, not %r' % (out, rows)


def lines(out):
    return out.decode().split('\n')[:-1]


def arrays(s):
    """The JSON arrays that stand in s one after another."""
    at, decoder = 0, json.JSONDecoder(strict=False, object_pairs_hook=list)
    while at < len(s):
        value, at = decoder.raw_decode(s, at)
        yield value
        while at < len(s) and s[at] in ' \n':
            at += 1


def run_cases(name):
    kind = {'csv': 'csv', 'json': 'jsonl'}[name]
    cases, failed = [], 0
    with open('%s/%s.cases' % (HERE, name), encoding='utf-8', newline='\n') as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                cases.append(Case(kind, line.rstrip('\n')))
    names = [c.name for c in cases]
    assert len(set(names)) == len(names), [n for n in names if names.count(n) > 1]
    with ThreadPoolExecutor(3) as pool:
        for c, bad in zip(cases, pool.map(lambda c: c.wrong('%s-%s' % (name, c.name)), cases)):
            if bad:
                failed += 1
                print('# %s %s: %s' % (name, c.name, bad))
    print('%d %s cases, %d wrong' % (len(cases), name, failed))
    return failed


# Random texts, Python's csv module as another reader of RFC 4180.

def csv_oracle(text, ncols):
    """(rows as lists, None or the line of the first bad record) by the rules of the manual for a headed CSV of ncols columns."""
    reader = csv.reader(io.StringIO(text, newline=''), strict=True)
    rows, before = [], 0
    try:
        for row in reader:
            if row == [] and ncols > 1 or not rows and row == []:
                before = reader.line_num  # a blank line
                continue
            if row == []:
                row = ['']
            if len(row) != ncols:
                return rows, before + 1
            rows.append(row)
            before = reader.line_num
    except csv.Error:
        return rows, -1
    return rows, None


def random_csv(rng):
    alphabet = rng.choice(['ab,"\n', 'a,"\n\r', '",\n', 'aé😀,\n', 'a"",\r\n ', ',\n', 'x;,"\n\t'])
    return ''.join(rng.choice(alphabet) for _ in range(rng.randrange(1, 40)))


def compare_csv(text, ncols, path):
    data = text.encode()
    with open(path, 'wb') as f:
        f.write(data)
    want, line = csv_oracle(text, ncols)
    got = stook(['--from', 'csv', '--keep-null', '--to', 'jsonl', path])
    rows = [['' if v is None else v for k, v in json.loads(l, object_pairs_hook=list)] for l in lines(got.out)]
    if line is None:
        if got.status or rows != want[1:]:
            return 'gave %r %s, not %r' % (rows, got.err, want[1:])
    elif got.status != 65:
        return 'exit %d, not 65 at line %d' % (got.status, line)
    elif line > 0 and not re.search('\r(?!\n)', text) and got.place() != '%d:1' % line:
        return 'at %s, not line %d: %s' % (got.place(), line, got.err)
    elif line > 0 and rows != want[1:]:
        return 'gave %r before the error, not %r' % (rows, want[1:])
    return None


# Random JSON, Python's json module as another reader of RFC 8259.

def pairs(v):
    if len(dict(v)) != len(v):
        raise ValueError('twice')
    return dict(v)


def refuse(_):
    raise ValueError('no number of JSON')


class Digits(str):
    """A number as it was written."""


def json_oracle(data):
    """The object in the line, or None if it is none."""
    try:
        v = json.loads(data.decode('utf-8'), object_pairs_hook=pairs, parse_int=Digits, parse_float=Digits, parse_constant=refuse)
        json.dumps(v, ensure_ascii=False).encode('utf-8')  # lone surrogates
    except (ValueError, RecursionError):
        return None
    return v if isinstance(v, dict) else None


def without_nulls(v):
    """Null and absent are one: an object of nulls only is absent too, an empty one is not; arrays keep their text."""
    if not isinstance(v, dict) or not v:
        return v
    members = {k: without_nulls(x) for k, x in v.items()}
    return {k: x for k, x in members.items() if x is not None} or None


def typed(v):
    """So that the number 1 and the string "1" differ."""
    if isinstance(v, dict):
        return {k: typed(x) for k, x in v.items()}
    if isinstance(v, list):
        return [typed(x) for x in v]
    return ('number', str(v)) if isinstance(v, Digits) else v


def random_value(rng, depth):
    kind = rng.randrange(9 if depth else 6)
    if kind == 0:
        return rng.choice(['0', '-0', '1.50', '1e5', '-2E-07', '12345678901234567890', '0.1'])
    if kind == 1:
        return rng.choice(['""', '"a"', '"\\u00e9"', '"é😀"', '"\\ud83d\\ude00"', '"\\"\\\\\\/"', '"\\n"', '"a.b"', '"null"'])
    if kind <= 4:
        return rng.choice(['true', 'false', 'null'])
    if kind == 5:
        return rng.choice(['[]', '[1, 2]', '["x",null]', '[{"a":[]}]'])
    keys = rng.sample(['a', 'b', '', 'x.y', 'ü', 'q\\"', '\\u0041', 'B'], rng.randrange(4))
    space = rng.choice(['', ' ', '\t'])
    return '{' + space + (',' + space).join('"%s"%s:%s' % (k, space, random_value(rng, depth - 1)) for k in keys) + '}'


def random_json(rng):
    text = '{"k":' + random_value(rng, 3) + ',"l":' + random_value(rng, 2) + '}'
    data = bytearray(text.encode())
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        at = rng.randrange(len(data))
        what = rng.randrange(4)
        if what == 0:
            del data[at]
        elif what == 1:
            data[at] = rng.choice(b'{}[]",:\\0e.-x\x01\xff \xc3')
        elif what == 2:
            data.insert(at, rng.choice(b'{}[]",:\\0e.-x\xed '))
        else:
            data[at:at] = data[at:at + 3]
    return bytes(data)


def compare_json(data, path):
    with open(path, 'wb') as f:
        f.write(data + b'\n')
    want = json_oracle(data)
    got = stook(['--from', 'jsonl', '--to', 'jsonl', path])
    if data.strip(b' \t\r') == b'':
        want_status, want_out = 0, []
    elif want is None:
        want_status, want_out = 65, []
    else:
        want_status, want_out = 0, [typed(without_nulls(want) or {})]
    out = [typed(json.loads(l, parse_int=Digits, parse_float=Digits)) for l in lines(got.out)]
    if got.status != want_status or out != want_out:
        return 'exit %d %s gave %r, not %d %r' % (got.status, got.err, got.out, want_status, want_out)
    if want_status and not re.match(r'1:[1-9]', got.place()):
        return 'no place: %s' % got.err
    return None


def run_random(count, seed):
    rng = random.Random(seed)
    jobs = []
    for i in range(count):
        ncols = rng.choice([1, 2, 2, 3])
        text = ','.join('abc'[:ncols]) + '\n' + random_csv(rng)
        jobs.append((compare_csv, (text, ncols, 'r%d.csv' % i), text))
        data = random_json(rng)
        if b'\n' not in data:
            jobs.append((compare_json, (data, 'r%d.json' % i), data))

    def one(job):
        return job[0](*job[1])
    failed = 0
    with ThreadPoolExecutor(3) as pool:
        for (_, _, text), bad in zip(jobs, pool.map(one, jobs)):
            if bad:
                failed += 1
                print('# random %r: %s' % (text, bad))
    print('%d random texts, %d wrong' % (len(jobs), failed))
    return failed


def main():
    failed = 0
    for what in sys.argv[1:]:
        if what in ('csv', 'json'):
            failed += run_cases(what)
        else:
            count, seed = what.split(':')
            failed += run_random(int(count), int(seed))
    sys.exit(failed != 0)


main()
