import { svelte } from '@sveltejs/vite-plugin-svelte';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const out = join(import.meta.dirname, '../dist');

/** Compresses once at build time what the server would otherwise compress for every visitor. */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    async closeBundle() {
      for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg|json|webmanifest)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = await readFile(path);
        if (bytes.length < 1024) continue;
        await writeFile(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
        await writeFile(`${path}.br`, brotliCompressSync(bytes, { params }));
      }
    },
  };
}

/** Empties dist but for .keep, which lets a checkout without a build compile. */
function clean(): Plugin {
  return {
    name: 'clean',
    apply: 'build',
    async buildStart() {
      await mkdir(out, { recursive: true }); // the container's build has no checkout of it
      for (const name of await readdir(out)) {
        if (name !== '.keep') await rm(join(out, name), { recursive: true });
      }
    },
  };
}

export default defineConfig({
  plugins: [clean(), svelte(), precompress()],
  base: '/',
  worker: { format: 'es' },
  build: {
    outDir: out,
    emptyOutDir: false,
    target: ['chrome111', 'firefox115', 'safari17'],
    // The content security policy knows no data: URLs for scripts, styles and fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: 'index.html', sw: 'src/offline/sw.ts' },
      // A service worker has one address for good; everything else is named by its content.
      output: { entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      '/api': { target: process.env.CARDEA ?? 'https://localhost:8443', secure: false, ws: true, changeOrigin: true },
    },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node', testTimeout: 60_000, setupFiles: ['src/i18n/setup.ts'] },
});
