// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
// Buffers outside of V8's heap, worker threads, JSON, compression and child processes.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
const zlib = require('zlib');
const { execFileSync } = require('child_process');

let state = 12345;
function below(n) {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return (state >> 8) % n;
}

function buffers(count) {
  const kept = new Array(200).fill(null);
  const hash = crypto.createHash('sha256');
  for (let i = 0; i < count; i++) {
    const buffer = Buffer.alloc(1 + below(below(20) === 0 ? 300000 : 6000), i & 255);
    const slot = below(kept.length);
    if (kept[slot]) hash.update(kept[slot]);
    kept[slot] = buffer;
  }
  return hash.digest('hex');
}

function json() {
  const rows = [];
  for (let i = 0; i < 40000; i++) rows.push({ id: i, name: 'row' + below(1000), list: [below(9), below(99), { deep: below(7) }] });
  const text = JSON.stringify(rows);
  const back = JSON.parse(text);
  return text.length + ' ' + back.reduce((sum, row) => sum + row.list[2].deep, 0);
}

function compression() {
  const input = Buffer.from(Array.from({ length: 300000 }, () => below(64)));
  const packed = zlib.brotliCompressSync(zlib.gzipSync(input), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 } });
  return input.equals(zlib.gunzipSync(zlib.brotliDecompressSync(packed)));
}

if (!isMainThread) {
  state = workerData;
  parentPort.postMessage(buffers(1500));
} else {
  console.log('buffers', buffers(6000));
  console.log('json', json());
  console.log('compression', compression());
  console.log('child', execFileSync(process.execPath, ['-e', 'console.log(Buffer.alloc(1e6, 7).reduce((a, b) => a + b))']).toString().trim());
  const jobs = [];
  for (let i = 0; i < 12; i++) {
    jobs.push(new Promise((resolve, reject) => {
      const worker = new Worker(__filename, { workerData: 100 + i });
      let answer = null;
      worker.on('message', (message) => { answer = message; });
      worker.on('error', reject);
      worker.on('exit', () => resolve(answer));
    }));
  }
  Promise.all(jobs).then((answers) => answers.forEach((answer, i) => console.log('worker', i, answer)));
}
