export * from './dequantize.js';
export * from './field.js';
export * from './file.js';
export * from './ggml-type.js';
export * from './header.js';
export * from './quantize.js';
export * from './writer.js';
