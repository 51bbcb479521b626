import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const BUILT_INTO = '../src/bifrost_store/console/page';

export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    outDir: process.env.BIFROST_PAGE ?? BUILT_INTO,
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        manualChunks: (id: string) => (id.includes('node_modules') ? 'vendor' : undefined),
      },
    },
  },
  css: { modules: { generateScopedName: '[name]-[local]-[hash:base64:4]' } },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}'] },
});
