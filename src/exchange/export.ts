import * as fs from 'node:fs';
import * as path from 'node:path';
import { deviceFor } from '../llm/device-choice.js';
import { writeGguf } from '../models/gguf-write.js';
import { type AnyModel, type LoadedModel, loadAnyModel } from '../models/load.js';
import { type SavedModel, type StoredDtype, saveModel } from '../models/save.js';
import type { Device } from '../runtime/device.js';
import { InputError } from '../util/errors.js';
import { writeFileAtomic, writeFolderAtomic } from '../util/files.js';
import type { Candidate } from './candidate.js';
import { checkTarget } from './export-place.js';
import { type ExportFormat, type ExportType, TYPE_PRECISIONS } from './export-types.js';
import { candidateOf } from './model-candidate.js';
import { openOnnxExport } from './onnx-candidate.js';
import { exportOnnx, type OnnxDtype } from './onnx-export.js';
import { sentenceFiles } from './sentence-files.js';
import { type Verification, type VerifyOptions, verify } from './verify.js';

export interface ExportOptions {
  readonly format: ExportFormat;
  /** A folder; for GGUF a file whose name ends in `.gguf`, or a folder for it. */
  readonly to: string;
  /** One type of the format, for ONNX one or more. */
  readonly types: readonly ExportType[];
  /** What the model is called, in a GGUF file and its name. */
  readonly name: string;
  /** Safetensors: weights that are larger are written as several files of at most so many bytes. */
  readonly shardBytes?: number | undefined;
  /** ONNX: decoders take and give keys and values. Default true. */
  readonly past?: boolean | undefined;
  /** Replace what is there. */
  readonly force?: boolean | undefined;
}

/** What was written. */
export interface Exported {
  readonly format: ExportFormat;
  /** The folder, or the GGUF file. */
  readonly place: string;
  readonly types: readonly ExportType[];
  readonly files: readonly { readonly file: string; readonly bytes: number }[];
  /** What the reader should know, in full sentences. */
  readonly notes: readonly string[];
}

const STORED: Readonly<Partial<Record<ExportType, StoredDtype>>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };
const GGUF = { f32: 'F32', f16: 'F16', q8_0: 'Q8_0', q4_0: 'Q4_0' } as const;
const ONNX: Readonly<Partial<Record<ExportType, OnnxDtype>>> = { f32: 'fp32', f16: 'fp16', int8: 'int8', q4: 'q4' };

/**
 * Writes a model for other programs, with its tokenizer, chat template and generation configuration: whole or not at all.
 *
 * @throws {InputError} if the place is taken, or the format has no such model. @throws {WriteError} if the disk refuses.
 */
export async function exportModel(loaded: LoadedModel<AnyModel>, options: ExportOptions): Promise<Exported> {
  const { format, types } = options;
  const place = targetOf(options);
  checkTarget(place, { isFile: format === 'gguf', force: options.force ?? false });
  const notes: string[] = [];
  if (format === 'gguf') {
    const [type] = types as readonly (keyof typeof GGUF)[];
    const written = await writeGguf(place, savedOf(loaded), { type: GGUF[type!], name: options.name });
    notes.push(...written.notes);
    if (written.fallbacks.length > 0) {
      const { name, type: stored, reason } = written.fallbacks[0]!;
      const more = written.fallbacks.length > 1 ? ` and ${written.fallbacks.length - 1} more` : '';
      notes.push(`${name}${more} became ${stored}: ${reason}.`);
    }
  } else {
    await writeFolderAtomic(place, (temporary) => fill(temporary, loaded, options));
  }
  return { format, place, types, files: filesOf(place), notes };
}

/** Fills the folder of an export. */
async function fill(folder: string, loaded: LoadedModel<AnyModel>, options: ExportOptions): Promise<void> {
  const { format, types, shardBytes, past } = options;
  const saved = savedOf(loaded);
  if (format === 'onnx') {
    await exportOnnx(folder, saved, {
      dtypes: types.map((type) => ONNX[type]!),
      ...(past === undefined ? {} : { past }),
    });
  } else {
    const dtype = STORED[types[0]!]!;
    await saveModel(folder, { ...saved, dtype }, shardBytes === undefined ? {} : { shardBytes });
  }
  for (const [name, content] of sentenceFiles(loaded.folder)) writeFileAtomic(path.join(folder, name), content);
}

/** How an export is called and where it lies. */
function targetOf({ format, to, types, name }: ExportOptions): string {
  if (to === '') throw new InputError('no place to write to', { where: '--to', expected: 'a folder or a file' });
  if (format !== 'gguf' || to.toLowerCase().endsWith('.gguf')) return to;
  return path.join(to, `${name.replace(/[^\w.-]+/g, '-')}-${types[0]!.toUpperCase()}.gguf`);
}

function savedOf({ model, tokenizer, chatTemplate, generation }: LoadedModel<AnyModel>): SavedModel {
  return { model, tokenizer, chatTemplate, generation };
}

function filesOf(place: string): Exported['files'] {
  if (fs.statSync(place).isFile()) return [{ file: place, bytes: fs.statSync(place).size }];
  return fs
    .readdirSync(place, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(place, name))
    .filter((file) => fs.statSync(file).isFile())
    .sort()
    .map((file) => ({ file, bytes: fs.statSync(file).size }));
}

/** One type of an export, held against the original. */
export interface VerifiedExport {
  readonly type: ExportType;
  readonly verification: Verification;
}

/** Loads what was written anew, by its files alone, and holds each type against the original. */
export async function* verifyExport(
  loaded: LoadedModel<AnyModel>,
  exported: Exported,
  options: Omit<VerifyOptions, 'precision' | 'decoderStartId'> & { readonly name: string; readonly device?: Device },
): AsyncGenerator<VerifiedExport, void, undefined> {
  const { name, device = deviceFor(loaded.model), ...others } = options;
  const original = candidateOf(loaded, { device, name });
  const { decoderStartId } = loaded.generation;
  try {
    for (const type of exported.types) {
      const copy = await openExport(exported, type, device);
      try {
        const precision = TYPE_PRECISIONS[type];
        yield { type, verification: await verify(original, copy, { ...others, precision, decoderStartId }) };
      } finally {
        await copy.release();
      }
    }
  } finally {
    await original.release();
  }
}

async function openExport({ format, place }: Exported, type: ExportType, device: Device): Promise<Candidate> {
  if (format === 'onnx') return openOnnxExport(place, { device, dtype: ONNX[type]! });
  return candidateOf(await loadAnyModel(place), { device, name: path.basename(place) });
}
