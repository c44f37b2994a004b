import { createReadStream, createWriteStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const API = process.env.IBIKI_URL ?? "http://127.0.0.1:8000";
const COMPRESSED = /\.(js|css|svg|json|ttf)$/;

/** Compresses every file once, so that the server never has to. */
function compress(): Plugin {
  return {
    name: "compress",
    apply: "build",
    async writeBundle(options) {
      const folder = join(options.dir ?? "", "assets");
      const names = (await readdir(folder)).filter((name) => COMPRESSED.test(name));
      await Promise.all(
        names.flatMap((name) => {
          const path = join(folder, name);
          const quality = { [constants.BROTLI_PARAM_QUALITY]: 9 };
          return [
            pipeline(createReadStream(path), createGzip({ level: 9 }), createWriteStream(`${path}.gz`)),
            pipeline(
              createReadStream(path),
              createBrotliCompress({ params: quality }),
              createWriteStream(`${path}.br`),
            ),
          ];
        }),
      );
    },
  };
}

export default defineConfig({
  plugins: [react(), compress()],
  build: {
    outDir: resolve(import.meta.dirname, "../ibiki/console_files"),
    emptyOutDir: true,
    target: "es2022",
    // A data URL would need an exception in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 8000,
    rolldownOptions: {
      onLog: (level, log, report) => {
        // Of GraphiQL's own files: it concerns a compiler that is not used here.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
    },
  },
  server: {
    proxy: {
      "/graphql": { target: API, ws: true },
      "/api": API,
      "/brand": API,
      "/session": { target: API, changeOrigin: false },
      "/uploads": { target: API, changeOrigin: false },
    },
  },
});
