import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/build.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real processes share the machine's cores: more files at once only makes their deadlines lie.
    maxWorkers: 2,
  },
});
