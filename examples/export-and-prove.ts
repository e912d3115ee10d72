/**
 * A model into a GGUF file for llama.cpp, and the proof that it is the same: what `athanor export` does.
 *
 *     npx tsx examples/export-and-prove.ts [model] [file.gguf]
 */
import { exportModel, verifyExport } from '../src/exchange/export.js';
import { verificationText } from '../src/exchange/verify-report.js';
import { loadAnyModel } from '../src/models/load.js';

export interface ExportedProof {
  readonly verdict: string;
  /** A table of what was compared. */
  readonly report: string;
}

/** Writes a model with 8 bits a weight, reads it back, and holds both against each other. */
export async function exportAndProve(place: string, file: string): Promise<ExportedProof> {
  const loaded = await loadAnyModel(place);
  const exported = await exportModel(loaded, {
    format: 'gguf',
    to: file,
    types: ['q8_0'],
    name: 'example',
    force: true,
  });
  for await (const { verification } of verifyExport(loaded, exported, { name: place, tokens: 8 })) {
    return { verdict: verification.verdict, report: verificationText(verification) };
  }
  throw new Error('one type was written, so one proof is due');
}

if (process.argv[1] === import.meta.filename) {
  const [place = 'runs/tiny-llama', file = 'runs/tiny-llama.gguf'] = process.argv.slice(2);
  const { verdict, report } = await exportAndProve(place, file);
  console.log(`${report}\n${verdict}`);
}
