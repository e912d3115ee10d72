/**
 * Writes the structured part of `test/corpus`: valid files with one damage each, named after it. What fuzzing found
 * (`found-…`) stays as it is.
 *
 *     npx tsx scripts/make-corpus.ts
 */
import * as fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { READERS } from '../test/readers.js';
import { allCases } from './corpus/all-cases.js';

const root = fileURLToPath(new URL('../test/corpus/', import.meta.url));
let files = 0;
for (const [name, cases] of Object.entries(allCases())) {
  const folder = path.join(root, name);
  fs.mkdirSync(folder, { recursive: true });
  for (const entry of fs.readdirSync(folder)) {
    if (!entry.startsWith('found-')) fs.rmSync(path.join(folder, entry), { recursive: true });
  }
  const extension = path.extname(READERS[name]!.file ?? '');
  for (const [damage, content] of Object.entries(cases)) {
    const place = path.join(folder, damage + extension);
    if (typeof content === 'string' || content instanceof Uint8Array) fs.writeFileSync(place, content);
    else {
      for (const [file, part] of Object.entries(content)) {
        fs.mkdirSync(path.dirname(path.join(place, file)), { recursive: true });
        fs.writeFileSync(path.join(place, file), part);
      }
    }
    files++;
  }
  console.log(`${name}: ${Object.keys(cases).length}`);
}
console.log(`${files} cases`);
