export * from './beam-search.js';
export * from './contract.js';
export * from './encoder-decoder-engine.js';
export * from './engine.js';
export * from './engine-options.js';
export * from './sampling.js';
export * from './sampling-options.js';
export * from './stopping.js';
