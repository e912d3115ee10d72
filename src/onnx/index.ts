export * from './external-data.js';
export * from './lower.js';
export * from './model.js';
export * from './reader.js';
export * from './streamed-file.js';
export * from './writer.js';
