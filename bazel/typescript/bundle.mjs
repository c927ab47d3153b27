// Checks a TypeScript program, and makes one file of it and of the packages that it imports.
//
//   node bundle.mjs OUTPUT PACKAGES_OUTPUT NODE_MODULES VERSION TSCONFIG MAIN [SOURCE...]
//
// PACKAGES_OUTPUT is a JSON list of the packages in OUTPUT: name, version, license, homepage and description, as each
// package's own package.json says.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

const [output, packagesOutput, modules, version, ...sources] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'bundle.'));
try {
  for (const source of sources) copyFileSync(source, join(work, basename(source)));
  symlinkSync(resolve(modules), join(work, 'node_modules'));
  const [tsconfig, main] = sources.map((source) => join(work, basename(source)));
  execFileSync(process.execPath, [join(work, 'node_modules/typescript/bin/tsc'), '-p', tsconfig], { stdio: 'inherit' });

  const { buildSync } = createRequire(join(work, 'main.js'))('esbuild');
  const { metafile } = buildSync({
    absWorkingDir: work,
    bundle: true,
    define: { VERSION: JSON.stringify(version) },
    entryPoints: [main],
    format: 'cjs',
    legalComments: 'eof',
    metafile: true,
    minifySyntax: true,
    minifyWhitespace: true,
    outfile: resolve(output),
    platform: 'node',
    preserveSymlinks: true,
    target: 'node22',
    write: true,
  });
  const folders = Object.entries(Object.values(metafile.outputs)[0].inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([path]) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  const packages = [...new Set(folders)].filter(Boolean).sort().map((folder) => {
    const { name, version, license, homepage, description } = JSON.parse(readFileSync(join(work, folder, 'package.json')));
    return { name, version, license, homepage, description };
  });
  writeFileSync(packagesOutput, `${JSON.stringify(packages, null, 1)}\n`);
} catch (error) {
  if (error.status === undefined && !error.errors) throw error;
  process.exit(1); // tsc or esbuild has said why
} finally {
  rmSync(work, { recursive: true });
}
