// An S3 store with objects in it: s3.cjs FOLDER PORTFILE KEY=FILE... ; the bucket is "bkt", the key pair S3RVER, S3RVER.
"use strict";
const fs = require("fs");
const S3rver = require("s3rver");

async function main([folder, portFile, ...objects]) {
  const server = new S3rver({ address: "127.0.0.1", port: 0, silent: true, directory: folder, configureBuckets: [{ name: "bkt" }] });
  const { port } = await server.run();
  for (const object of objects) {
    const at = object.lastIndexOf("=");
    await server.store.putObject({ bucket: "bkt", key: object.slice(0, at), content: fs.createReadStream(object.slice(at + 1)), metadata: {} });
  }
  fs.writeFileSync(portFile + ".new", String(port));
  fs.renameSync(portFile + ".new", portFile);
}

main(process.argv.slice(2));
