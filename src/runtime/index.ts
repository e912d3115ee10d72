export * from './array.js';
export * from './backend.js';
export * from './compile.js';
export * from './device.js';
export * from './gpu.js';
export * from './model-file.js';
export * from './profile.js';
export * from './session.js';
