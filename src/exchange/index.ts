export * from './candidate.js';
export * from './model-candidate.js';
export * from './onnx-candidate.js';
export * from './onnx-export.js';
