export * from './batch.js';
export * from './language-model.js';
export * from './local.js';
export * from './mock.js';
export * from './model-tools.js';
export * from './tool-loop.js';
