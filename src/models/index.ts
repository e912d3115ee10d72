export * from './checkpoint.js';
export * from './checkpoint-list.js';
export * from './generation-config.js';
export * from './llama.js';
export * from './load.js';
export * from './registry.js';
export * from './safetensors.js';
export * from './save.js';
