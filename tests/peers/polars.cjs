// Arrow as npm nodejs-polars has it: views, large offsets, categoricals, compressed bodies.
//   node polars.cjs write stream|file uncompressed|lz4|zstd     a table to stdout
//   node polars.cjs show                  what comes on stdin, one line of JSON a record, types first
const pl = require('nodejs-polars');
const fs = require('fs');

function column(name, values, type) {
  const s = pl.Series(name, values);
  return type ? s.cast(type) : s;
}

function table() {
  const ints = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64];
  const columns = ints.map((type, i) => column(`int${i}`, [1, null, 0, 127], type));
  columns.push(column('float32', [0.5, null, -1.25, 0], pl.Float32));
  columns.push(column('float64', [0.1, null, 1e300, -0.0], pl.Float64));
  columns.push(column('bool', [true, null, false, true], pl.Bool));
  columns.push(column('text', ['007', null, '', 'more than twelve bytes: zwölf €']));
  columns.push(column('category', ['b', null, 'a long name that is no inline view', 'b'], pl.Categorical));
  columns.push(column('date', [0, null, 19000, -1], pl.Int32).cast(pl.Date));
  columns.push(column('datetimeMs', [0, null, 1700000000001, -1], pl.Int64).cast(pl.Datetime('ms')));
  columns.push(column('datetimeNs', [0, null, 1700000000001, -1], pl.Int64).cast(pl.Datetime('ns')));
  columns.push(column('durationUs', [0, null, 5, -1], pl.Int64).cast(pl.Duration('us')));
  columns.push(column('time', [0, null, 5, 86399999999999], pl.Int64).cast(pl.Time));
  columns.push(column('list', [['a', null], null, [], ['more than twelve bytes']]));
  columns.push(column('numbers', [[1, 2], null, [], [3]]));
  columns.push(column('decimal', [1.5, null, -2.25, 0], pl.Float64).cast(pl.Decimal(20, 2)));
  const df = pl.DataFrame(columns);
  return df.withColumn(df.select('int2', 'text').toStruct('struct'));
}

// A categorical is a dictionary of text, which we hand on as text.
function show(bytes) {
  let df = bytes.subarray(0, 6).toString() === 'ARROW1' ? pl.readIPC(bytes) : pl.readIPCStream(bytes);
  for (const c of df.columns) console.log(c, String(df.getColumn(c).dtype).replace('Categorical', 'String'));
  if (df.columns.includes('decimal')) df = df.withColumn(pl.col('decimal').cast(pl.Utf8)); // it has no JavaScript value
  for (const r of df.toRecords()) console.log(JSON.stringify(r, (k, v) => (typeof v === 'bigint' ? `${v}n` : v)));
}

const [, , command, format, compression] = process.argv;
if (command === 'write') {
  process.stdout.write(format === 'file' ? table().writeIPC({ compression }) : table().writeIPCStream({ compression }));
} else if (command === 'show') show(fs.readFileSync(0));
else process.exit(64);
