// SPDX-License-Identifier: Apache-2.0
// @ts-check
/**
 * Makes the programs in dist/: each program and each thread is one file with all that it needs. Loading a module costs more than running
 * it, and every thread pays for it anew. What is needed late or rarely (an `import()` in the sources) is a file of its own in dist/late.
 * Types are not checked here: tsc does that. Usage: node tools/bundle.js [OUT]
 */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const [, , out = 'dist'] = process.argv;

/** What CommonJS packages expect to find, in a file that is a module. */
const REQUIRE =
  "import { createRequire as tlshubRequire } from 'node:module'; const require = tlshubRequire(import.meta.url);";

/** How piscina names the file of its threads: by the place of its own. In a bundle it is where our threads are. */
const BESIDE_PISCINA = "(0, node_path_1.resolve)(__dirname, 'worker.js')";
const BESIDE_WORKERS = `require('node:url').fileURLToPath(require(${JSON.stringify(resolve('src/workers/files.ts'))}).workerFile('pool-thread'))`;

/** @type {import('esbuild').Plugin} */
const piscinaThread = {
  name: 'piscina-thread',
  setup(bundler) {
    bundler.onLoad({ filter: /[\\/]piscina[\\/]dist[\\/]index\.js$/ }, ({ path }) => {
      const parts = readFileSync(path, 'utf8').split(BESIDE_PISCINA);
      if (parts.length !== 2)
        throw new Error(`${path} names its threads' file in another way than tools/bundle.js knows`);
      return { contents: parts.join(BESIDE_WORKERS) };
    });
  },
};

/**
 * Of the client of Kubernetes only what is used: it does not say that its 800 modules have no effects, and whole it is 14 MB.
 * @type {import('esbuild').Plugin}
 */
const kubernetesPart = {
  name: 'kubernetes-part',
  setup(bundler) {
    bundler.onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({
      path: resolve('node_modules/@kubernetes/client-node/dist/index.js'),
      sideEffects: false,
    }));
    bundler.onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir, importer }) =>
      /[\\/]@kubernetes[\\/]client-node[\\/]/.test(importer)
        ? { path: resolve(resolveDir, path), sideEffects: false }
        : undefined,
    );
  },
};

/**
 * Parts of packages that nothing of ours uses and that cannot be left out by what the sources import: each is read and run at every start.
 * What stands in their place has the names that are asked for and nothing behind them.
 */
const UNUSED = {
  // histograms in WebAssembly, with an inflater for the program
  'hdr-histogram-js/dist/wasm/index.js': 'exports.webAssemblyAvailable = false; exports.WasmHistogram = undefined;',
  // figures of the process, of a cluster's workers, for a gateway; quantiles
  'prom-client/lib/defaultMetrics.js': 'module.exports = undefined;',
  'prom-client/lib/cluster.js': 'module.exports = undefined;',
  'prom-client/lib/pushgateway.js': 'module.exports = undefined;',
  'prom-client/lib/summary.js': 'module.exports = undefined;',
  // logs into files and over HTTP
  'winston/lib/winston/transports/file.js': 'module.exports = undefined;',
  'winston/lib/winston/transports/http.js': 'module.exports = undefined;',
  // the streams of an older Node.js, which ours are the successors of
  'readable-stream/readable.js': "module.exports = require('node:stream');",
  'readable-stream/lib/_stream_writable.js': "module.exports = require('node:stream').Writable;",
};

/** @type {import('esbuild').Plugin} */
const unusedParts = {
  name: 'unused-parts',
  setup(bundler) {
    const gone = Object.keys(UNUSED).filter((file) => !existsSync(join('node_modules', file)));
    if (gone.length > 0) throw new Error(`tools/bundle.js leaves out what is not there any more: ${gone.join(', ')}`);
    bundler.onLoad({ filter: /[\\/]node_modules[\\/]/ }, ({ path }) => {
      const [, contents] = Object.entries(UNUSED).find(([file]) => path.endsWith(join('node_modules', file))) ?? [];
      return contents === undefined ? undefined : { contents };
    });
  },
};

/** @type {import('esbuild').BuildOptions} */
const COMMON = {
  bundle: true,
  platform: 'node',
  target: 'node20.11',
  format: 'esm',
  outdir: out,
  // `...{ a, b }`, by which sources keep fields of one kind on a line, is otherwise an object made and copied each time: a third of what a flow costs.
  minifySyntax: true,
  sourcemap: 'linked',
  sourcesContent: false,
  banner: { js: REQUIRE },
  alias: {
    // Without its native helper, which every thread would have to find and load: messages of ours have no long texts (bench ring: equal).
    msgpackr: 'msgpackr/pack',
    // Without reading and writing of logs, which make formatters and buffers when they are loaded: half of what loading the agent took.
    'hdr-histogram-js': 'hdr-histogram-js/dist/HistogramBuilder.js',
  },
  // For piscina to set niceness, which no pool of ours asks for.
  external: ['@napi-rs/nice'],
  metafile: true,
  // winston's helper for debugging colours its lines, and then brings the tables of colours along
  define: { 'process.env.NODE_ENV': '"production"' },
  plugins: [piscinaThread, kubernetesPart, unusedParts],
  logLevel: 'warning',
};

const PROGRAMS = ['supervisor', 'index', 'cli/tlshubctl', 'cli/tlshub_bench', 'cli/tlshub_handshake'];
const THREADS = ['event-reader', 'installer', 'negotiator', 'tlshub-negotiator', 'channel-host'];

const program = (/** @type {string} */ name) =>
  build({ ...COMMON, entryPoints: { [name]: `src/${name}.ts` }, splitting: true, chunkNames: 'late/[name]-[hash]' });

// Their names change with what is in them: those of earlier builds would stay, and be installed.
rmSync(join(out, 'late'), { recursive: true, force: true });
const results = await Promise.all([
  ...PROGRAMS.map(program),
  ...THREADS.map((name) => build({ ...COMMON, entryPoints: { [`workers/${name}`]: `src/workers/${name}.ts` } })),
  build({ ...COMMON, entryPoints: { 'workers/pool-thread': join('node_modules', 'piscina', 'dist', 'worker.js') } }),
]);

/** Their licences ask for it: the text of each package that is in the bundles goes with them. */
function licenses() {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  const folders = new Set(inputs.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []));
  return [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
    const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return [`${name} ${version}: ${license}`, ...texts].join('\n\n');
  });
}
writeFileSync(join(out, 'THIRD-PARTY-LICENSES'), `${licenses().join(`\n\n${'-'.repeat(80)}\n`)}\n`);
