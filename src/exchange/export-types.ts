import { InputError } from '../util/errors.js';
import { nearestName } from '../util/nearest.js';
import type { Precision } from './verify-verdict.js';

/** What a model can be written as. */
export const EXPORT_FORMATS = ['safetensors', 'gguf', 'onnx'] as const;

export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Types of weights, as `--type` names them. */
export type ExportType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'int8' | 'q4';

/** The types of each format. */
export const EXPORT_TYPES: Readonly<Record<ExportFormat, readonly ExportType[]>> = {
  safetensors: ['f32', 'f16', 'bf16'],
  gguf: ['f32', 'f16', 'q8_0', 'q4_0'],
  onnx: ['f32', 'f16', 'int8', 'q4'],
};

/** What a type may be called, too. */
const OTHER_NAMES: Readonly<Record<string, ExportType>> = {
  fp32: 'f32',
  float32: 'f32',
  fp16: 'f16',
  float16: 'f16',
  bfloat16: 'bf16',
};

/** How exactly each type keeps numbers. */
export const TYPE_PRECISIONS: Readonly<Record<ExportType, Precision>> = {
  f32: 'float32',
  f16: 'float16',
  bf16: 'bfloat16',
  q8_0: '8-bit',
  q4_0: '4-bit',
  int8: '8-bit',
  q4: '4-bit',
};

/** A format by its name. @throws {InputError} naming the nearest. */
export function exportFormat(name: string): ExportFormat {
  const found = EXPORT_FORMATS.find((format) => format === name.toLowerCase());
  if (found !== undefined) return found;
  throw new InputError('there is no such format', {
    where: '--format',
    expected: EXPORT_FORMATS.join(', '),
    got: JSON.stringify(name.slice(0, 40)),
    hint: `Did you mean ${nearestName(name, EXPORT_FORMATS)}?`,
  });
}

/** The types of a list such as `f32,int8`, for a format. @throws {InputError} naming what the format offers. */
export function exportTypes(list: string, format: ExportFormat): ExportType[] {
  const offered = EXPORT_TYPES[format];
  const types = list.split(',').map((text) => {
    const name = text.trim().toLowerCase();
    const type = OTHER_NAMES[name] ?? name;
    const found = offered.find((each) => each === type);
    if (found !== undefined) return found;
    const elsewhere = EXPORT_FORMATS.filter((other) => EXPORT_TYPES[other].some((each) => each === type));
    throw new InputError(`${format} has no such type`, {
      where: '--type',
      expected: offered.join(', '),
      got: JSON.stringify(text.slice(0, 40)),
      hint:
        elsewhere.length > 0
          ? `${type} is a type of ${elsewhere.join(' and ')}.`
          : name === ''
            ? 'Name one, or several with commas between them.'
            : `Did you mean ${nearestName(name, offered)}?`,
    });
  });
  const unique = [...new Set(types)];
  if (format === 'onnx' || unique.length === 1) return unique;
  throw new InputError(`${format} keeps one type in a place`, {
    where: '--type',
    expected: offered.join(', or '),
    got: list.slice(0, 80),
    hint: 'Export once for each type.',
  });
}

/** What a format takes where nothing is asked for: all that the source says, or what its users expect. */
export function defaultType(format: ExportFormat, source: Precision): ExportType {
  if (format === 'gguf') return 'f16';
  if (format === 'onnx') return 'f32';
  return source === 'float16' ? 'f16' : source === 'bfloat16' ? 'bf16' : 'f32';
}
