// Arrow as npm apache-arrow has it.
//   node arrow-js.cjs write stream|file     a table of every type that it can write, two batches, to stdout
//   node arrow-js.cjs show                  what comes on stdin, one line of JSON a record
const arrow = require('apache-arrow');
const fs = require('fs');

const list = (type) => new arrow.Field('item', type, true);
const pair = new arrow.Struct([new arrow.Field('x', new arrow.Int32(), true), new arrow.Field('y', new arrow.Utf8(), true)]);
const entries = new arrow.Field('entries', new arrow.Struct([
  new arrow.Field('key', new arrow.Utf8(), false), new arrow.Field('value', new arrow.Int32(), true)]), false);
const day = 86400000;

const columns = {
  nothing: [new arrow.Null(), [null, null, null, null]],
  bool: [new arrow.Bool(), [true, null, false, true]],
  int8: [new arrow.Int8(), [-128, null, 0, 127]],
  int16: [new arrow.Int16(), [-32768, null, 0, 32767]],
  int32: [new arrow.Int32(), [-2147483648, null, 0, 2147483647]],
  int64: [new arrow.Int64(), [-9223372036854775808n, null, 0n, 9223372036854775807n]],
  uint8: [new arrow.Uint8(), [255, null, 0, 1]],
  uint16: [new arrow.Uint16(), [65535, null, 0, 1]],
  uint32: [new arrow.Uint32(), [4294967295, null, 0, 1]],
  uint64: [new arrow.Uint64(), [18446744073709551615n, null, 0n, 1n]],
  float16: [new arrow.Float16(), [1.5, null, -2, 0]],
  float32: [new arrow.Float32(), [0.1, null, -Infinity, 0]],
  float64: [new arrow.Float64(), [0.1, null, 1e300, -0]],
  utf8: [new arrow.Utf8(), ['007', null, '', 'zwölf €']],
  largeUtf8: [new arrow.LargeUtf8(), ['007', null, '', 'zwölf €']],
  binary: [new arrow.Binary(), [new Uint8Array([0, 255]), null, new Uint8Array([]), new Uint8Array([1])]],
  largeBinary: [new arrow.LargeBinary(), [new Uint8Array([0, 255]), null, new Uint8Array([]), new Uint8Array([1])]],
  fixedBinary: [new arrow.FixedSizeBinary(2), [new Uint8Array([0, 255]), null, new Uint8Array([7, 8]), new Uint8Array([1, 2])]],
  dateDay: [new arrow.DateDay(), [0, null, 19000 * day, -day]],
  dateMs: [new arrow.DateMillisecond(), [0, null, 19000 * day, -day]],
  timeS: [new arrow.TimeSecond(), [0, null, 86399, 1]],
  timeMs: [new arrow.TimeMillisecond(), [0, null, 86399999, 1]],
  timeUs: [new arrow.TimeMicrosecond(), [0n, null, 86399999999n, 1n]],
  timeNs: [new arrow.TimeNanosecond(), [0n, null, 86399999999999n, 1n]],
  timestampS: [new arrow.TimestampSecond(), [0, null, 1700000000000, -1000]],
  timestampMs: [new arrow.TimestampMillisecond('UTC'), [0, null, 1700000000001, -1]],
  timestampUs: [new arrow.TimestampMicrosecond('Europe/Berlin'), [0, null, 1700000000001, -1]],
  timestampNs: [new arrow.TimestampNanosecond(), [0, null, 1700000000001, -1]],
  durationS: [new arrow.DurationSecond(), [0n, null, 5n, -1n]],
  durationNs: [new arrow.DurationNanosecond(), [0n, null, 5n, -1n]],
  months: [new arrow.IntervalYearMonth(), [new Int32Array([0, 1]), null, new Int32Array([1, 2]), new Int32Array([3, 4])]],
  decimal: [new arrow.Decimal(2, 20, 128), [new Uint32Array([12345, 0, 0, 0]), null, new Uint32Array([0, 0, 0, 0]), new Uint32Array([1, 0, 0, 0])]],
  list: [new arrow.List(list(new arrow.Utf8())), [['a', null, 'b'], null, [], ['c']]],
  fixedList: [new arrow.FixedSizeList(2, list(new arrow.Int32())), [[1, 2], null, [3, null], [5, 6]]],
  struct: [pair, [{ x: 1, y: 'a' }, null, { x: null, y: 'b' }, { x: 2, y: null }]],
  map: [new arrow.Map_(entries), [new Map([['a', 1], ['b', null]]), null, new Map(), new Map([['c', 3]])]],
  lists: [new arrow.List(list(new arrow.List(list(pair)))), [[[{ x: 1, y: 'a' }], []], null, [], [[{ x: 2, y: null }, { x: 3, y: 'c' }]]]],
  dictionary: [new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8(), 5), ['b', null, 'a', 'b']],
  dictionaryOfInts: [new arrow.Dictionary(new arrow.Int64(), new arrow.Uint16(), 6), [7n, null, 8n, 7n]],
};

function table(names) {
  const v = {};
  for (const name of names) v[name] = arrow.vectorFromArray(columns[name][1], columns[name][0]);
  const t = new arrow.Table(v);
  t.schema.metadata.set('made', 'by a peer');
  return t.concat(t.slice(1, 3));
}

function plain(key, value) {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) return Object.is(value, -0) ? '-0' : String(value);
  if (value instanceof Map) return [...value];
  return ArrayBuffer.isView(value) ? [...value] : value;
}

function show(bytes) {
  const t = arrow.tableFromIPC(bytes);
  console.log(JSON.stringify([...t.schema.metadata]));
  for (const row of t) {
    const record = {};
    for (const field of t.schema.fields) {
      let value = row[field.name];
      if (value && typeof value === 'object' && value.toJSON && !ArrayBuffer.isView(value)) value = value.toJSON();
      record[field.name] = value;
    }
    console.log(JSON.stringify(record, plain));
  }
}

const [, , command, ...rest] = process.argv;
if (command === 'write') process.stdout.write(arrow.tableToIPC(table(rest.slice(1).length ? rest.slice(1) : Object.keys(columns)), rest[0]));
else if (command === 'show') show(fs.readFileSync(0));
else if (command === 'names') console.log(Object.keys(columns).join('\n'));
else process.exit(64);
