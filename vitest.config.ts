import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { defineConfig } from 'vitest/config';

// WebGPU tests run on a software Vulkan driver where there is no GPU. Debian's `chromium` package brings one.
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (process.env.VK_ICD_FILENAMES === undefined && !existsSync('/dev/dri') && existsSync(swiftShader)) {
  process.env.VK_ICD_FILENAMES = swiftShader;
  process.env.VK_DRIVER_FILES = swiftShader;
  // The Vulkan loader lies beside the driver. The variable is read when a process starts: the test workers see it.
  process.env.LD_LIBRARY_PATH = [dirname(swiftShader), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
  },
});
