// @ts-check
import js from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';
import { FOLDERS } from './tools/layers.js';

/** @param {string} folder of the table: its own files, without those of folders of the table below it */
const filesOf = (folder) => {
  if (folder === '.') return 'src/*.ts';
  return FOLDERS.some((other) => other.folder.startsWith(`${folder}/`))
    ? `src/${folder}/*.ts`
    : `src/${folder}/**/*.ts`;
};

/** Who may know whom: tools/layers.js. */
const layers = FOLDERS.map(({ folder, layer, holds }) => ({
  files: [filesOf(folder)],
  rules: {
    'import-x/no-restricted-paths': [
      'error',
      {
        zones: FOLDERS.filter((other) => other.folder !== folder && other.layer >= layer).map((other) => ({
          target: filesOf(folder),
          from: filesOf(other.folder),
          message: `src/${folder} is of layer ${layer} (${holds}), src/${other.folder} of layer ${other.layer}: imports go down only.`,
        })),
      },
    ],
  },
}));

/** Decisions take data and return data. */
const PURE = [
  'src/policy/**/*.ts',
  'src/supervisor/flow/{machine,inputs,marker}.ts',
  'src/supervisor/provider/{admission,retry-queue}.ts',
];
const IO = [
  'node:fs',
  'node:fs/promises',
  'node:net',
  'node:http',
  'node:https',
  'node:child_process',
  'node:worker_threads',
  'node:module',
];

export default tseslint.config(
  { ignores: ['dist/', 'build/', '.cache/', 'node_modules/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: ['./tsconfig.test.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // Numbers in messages are what they look like.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // `() => emitter.emit()` reads better than a block around it.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // `while (true)` loops of threads end by return.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      // A class with only static makers and a private constructor is how an immutable value is built here.
      '@typescript-eslint/no-extraneous-class': 'off',
      // A constructor that only narrows the types of its parameters is not useless.
      '@typescript-eslint/no-useless-constructor': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver({ project: 'tsconfig.test.json' })] },
    rules: {
      // Types included: an import of a type is knowledge too.
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'prom-client', message: 'Only src/metrics/registry.ts knows it.' }] },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "CallExpression[callee.property.name='dlopen']", message: 'Only src/shared/kernel loads addons.' },
        { selector: "CallExpression[callee.name='createRequire']", message: 'Only src/shared/kernel loads addons.' },
        {
          selector: 'ExportAllDeclaration',
          message: 'Name what is exported; inside a layer import the file that defines it.',
        },
      ],
    },
  },
  ...layers,
  { files: ['src/metrics/registry.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['src/shared/kernel/*.ts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    files: PURE,
    rules: {
      'no-restricted-imports': ['error', { paths: IO.map((name) => ({ name, message: 'Decisions do no I/O.' })) }],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // chai's property assertions are expressions.
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['bench/**/*.ts', 'tools/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly' } },
  },
);
