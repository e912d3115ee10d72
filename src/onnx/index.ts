export * from './external-data.js';
export * from './lower.js';
export * from './model.js';
export * from './reader.js';
export * from './writer.js';
