// How the console is built: one page, everything else hashed under /assets, nothing inlined (the CSP forbids it).
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../api/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // MapLibre is one lazy chunk of about 1 MB before gzip; that is known and wanted.
    chunkSizeWarningLimit: 1200,
    license: { fileName: "assets/licenses.md" },
  },
  // `CITYHUB_API=http://… npm run dev` puts a running hub behind the development server.
  server: process.env["CITYHUB_API"] ? { proxy: { "/api": process.env["CITYHUB_API"] } } : {},
  test: { include: ["tests/**/*.test.ts"] },
});
