export * from './contract.js';
export * from './engine.js';
export * from './engine-options.js';
export * from './sampling.js';
export * from './sampling-options.js';
export * from './stopping.js';
